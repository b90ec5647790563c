"""Progress: what a person sees on a terminal and in a log file."""

import io

from lib.training.progress import NullProgress, Progress, duration, say


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_log_file_gets_a_whole_line_about_every_ten_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(60, "net", stream, now=clock)
    for step in range(1, 41):
        progress.update(step, loss=0.5)
        clock.seconds += 1.0
    lines = stream.getvalue().splitlines()
    assert [line.split("step ")[1].split("/")[0] for line in lines] == ["1", "11", "21", "31"]
    assert "\r" not in stream.getvalue()


def test_a_terminal_shows_one_line_that_is_refreshed_in_place() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(10, "net", stream, now=clock)
    for step in range(1, 4):
        progress.update(step, loss=0.5)
        clock.seconds += 1.0
    assert "\n" not in stream.getvalue()
    assert stream.getvalue().count("\r") == 3
    progress.close("done")
    assert stream.getvalue().endswith("net  done\n")


def test_the_line_tells_loss_speed_temperature_and_time_left() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(300, "Aa20/2M", stream, now=clock)
    progress.update(0)
    clock.seconds = 50.0
    progress.update(50, loss=0.69314, samples_per_second=1234.5, temperature=71.6)
    line = stream.getvalue().splitlines()[-1]
    for part in ("Aa20/2M", "step 50/300", "0.6931", "1,234 samples/s", "72 °C", "4m10s left"):
        assert part in line


def test_the_speed_of_a_resumed_run_is_measured_from_where_it_resumed() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(1000, "net", stream, now=clock)
    progress.update(800)
    clock.seconds = 100.0
    progress.update(900)
    assert "1m40s left" in stream.getvalue().splitlines()[-1]


def test_a_closed_stream_does_not_end_training() -> None:
    stream = io.StringIO()
    stream.close()
    Progress(1, "net", stream).update(1, loss=1.0)
    say("hello", stream)


def test_null_progress_says_nothing(capsys) -> None:
    progress = NullProgress()
    progress.update(1, loss=1.0)
    progress.validated(1, 1.0, 1.0)
    progress.close("done")
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""


def test_durations_read_as_people_say_them() -> None:
    assert [duration(s) for s in (0.4, 59, 250, 3725, 90_000)] == ["0s", "59s", "4m10s", "1h02m", "1d01h"]
