# SPDX-License-Identifier: Apache-2.0
"""Work in threads, results in order: Pillow leaves Python's lock while it decodes, resizes and encodes."""
import collections
import concurrent.futures
import itertools

AHEAD = 4  # chunks waiting, a thread: bounds the memory
CHUNK = 8  # items handed over at once: small images take less time than a hand-over


def in_order(work, items, threads):
    """work(item) of each item, in the order of items. What `work` throws is thrown here, of the first bad item."""
    if threads == 1:
        yield from map(work, items)
        return

    def work_on(chunk):
        return [work(item) for item in chunk]

    items = iter(items)
    chunks = iter(lambda: list(itertools.islice(items, CHUNK)), [])
    pool = concurrent.futures.ThreadPoolExecutor(threads)
    try:
        waiting = collections.deque(pool.submit(work_on, chunk) for chunk in itertools.islice(chunks, AHEAD * threads))
        while waiting:
            results = waiting.popleft().result()
            waiting.extend(pool.submit(work_on, chunk) for chunk in itertools.islice(chunks, 1))
            yield from results
    finally:
        pool.shutdown(cancel_futures=True)
