"""What a connection leaves behind: nothing that waits for the collector."""

import gc

from stage import Stage, one_reply

from chatelaine.surfaces.gate.connection import CallerConnection


def test_a_connection_that_is_over_is_given_back_without_the_collector() -> None:
    played = Stage(replies=one_reply)
    played.say(played.request()).close()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            caller = played.say(played.request())
            caller.close()
            played.run(caller)
        del caller
        assert sum(isinstance(each, CallerConnection) for each in gc.get_objects()) <= 1
    finally:
        gc.enable()
