"""The numbers of several processes add up."""

from __future__ import annotations

from api.numbers import BOARD_BYTES, Board, added, counted
from api.observe import Metrics
from ingest.accept import Committed


def lines(text: bytes) -> set[str]:
    return {line for line in text.decode().splitlines() if not line.startswith("#")}


def some(messages: int, waiting: int, behind_s: float | None) -> Metrics:
    metrics = Metrics()
    metrics.commit(Committed(messages, 0.02, []))
    metrics.request("/segment", "POST", 200, 0.01)
    metrics.watch_queue(lambda: waiting)
    metrics.watch_replica(lambda: behind_s)
    return metrics


def shared(*each: Metrics) -> None:
    boards = [Board() for _ in each]
    for metrics, board in zip(each, boards, strict=True):
        metrics.share(board, boards)
        metrics.post()


def test_counts_and_what_waits_are_added_and_of_lags_the_greatest_is_told() -> None:
    one, other = some(3, 1, 2.0), some(4, 5, 7.5)
    shared(one, other)
    assert lines(one.text()) == lines(other.text())
    assert lines(one.text()) >= {
        "calyx_messages_total 7.0",
        "calyx_queued_messages 6.0",
        "calyx_replica_lag_seconds 7.5",
        'calyx_requests_total{method="POST",route="/segment",status="200"} 2.0',
        'calyx_commit_seconds_bucket{le="0.025"} 2.0',
        "calyx_commit_messages_sum 7.0",
    }


def test_the_sum_of_one_is_what_it_says_itself() -> None:
    metrics = some(3, 1, 2.0)
    alone = {line for line in lines(metrics.text()) if "_created" not in line}
    shared(metrics)
    assert lines(metrics.text()) == alone


def test_a_lag_that_cannot_be_told_hides_none_that_can() -> None:
    one, other = some(1, 0, None), some(1, 0, 3.0)
    shared(one, other)
    assert "calyx_replica_lag_seconds 3.0" in lines(one.text())


def test_what_a_process_counted_is_counted_on_by_the_next_and_what_waited_is_not() -> None:
    board = Board()
    first = some(3, 9, 1.0)
    first.share(board, [board])
    first.post()
    second = some(4, 2, 1.0)
    second.share(board, [board])
    assert lines(second.text()) >= {"calyx_messages_total 7.0", "calyx_queued_messages 2.0"}


def test_what_is_half_written_is_nothing_and_what_is_too_long_is_not_written() -> None:
    board = Board()
    assert board.read() == b""
    board.write(b"a 1\n")
    board.write(b"x" * BOARD_BYTES)
    assert board.read() == b"a 1\n"
    board._memory[10:11] = b"?"  # noqa: SLF001 (as another process would find it halfway)
    assert board.read() == b""


def test_of_a_text_only_counts_stay() -> None:
    text = some(3, 9, 1.0).text()
    assert added([counted(text)]) == counted(text)
    assert not any("queued" in line for line in lines(counted(text)))
