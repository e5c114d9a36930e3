import socket

import pytest

from xrt.search import lost


def test_a_study_ends_when_nobody_listens_where_rays_store_of_state_was():
    watch = object.__new__(lost.Watch)  # made by hand: there is no Ray here
    watch._next = 0.0
    with socket.socket() as store:
        store.bind(("127.0.0.1", 0))
        store.listen()
        watch._gcs = store.getsockname()
        assert watch._has_gcs()
    with pytest.raises(lost.Died):
        watch.on_step_end(0, [])
