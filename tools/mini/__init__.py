"""Makes the encoders that come with `mini`: text, the order in which it is learned, subwords, the training."""
