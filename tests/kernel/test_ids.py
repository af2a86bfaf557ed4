import threading

from karokar.kernel.ids import new_id


def test_ids_made_one_after_the_other_sort_in_that_order():
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_an_id_says_that_it_is_a_uuid_of_version_seven():
    made = new_id()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_threads_never_get_the_same_id():
    made: list[list[object]] = [[] for _ in range(8)]

    def make(into: list[object]) -> None:
        into.extend(new_id() for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for into in made for one in into}) == 16_000
