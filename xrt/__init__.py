"""xrt: does robust training help my multilingual encoder, and with which settings?"""
