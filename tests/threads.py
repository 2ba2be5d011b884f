"""Functions that run at the same time, for the tests of threads."""

import threading

SECONDS = 20  # at most, where something hangs


def in_threads(*functions):
    """Runs functions at the same time; raises what they raise."""
    failed = []

    def run(function):
        try:
            function()
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=run, args=(function,), daemon=True)
        for function in functions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    if failed:
        raise failed[0]
