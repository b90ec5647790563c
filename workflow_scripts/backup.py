"""Copy a study's data, results, configuration and plugins elsewhere, and verify it all (`make backup`)."""

from pathlib import Path

from lib.config.places import whole_study
from lib.data.backup import backup
from lib.jobs.command import Parser, command
from lib.jobs.current_study import last_start


def own_files(main: Path) -> list[Path]:
    """Configurations and plugins that the study and its named ones were last started with.

    Of a plugin all Python files beside it are taken: it may import them.
    """
    starts = [last_start(folder) for folder in whole_study(main)]
    plugins = {plugin for start in starts for plugin in start.plugins}
    beside = {path for plugin in plugins for path in plugin.parent.glob("*.py")}
    return sorted({file for start in starts for file in start.configfiles} | plugins | beside)


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument(
        "destination", type=Path, metavar="DEST", help="a folder on another disk; made if it is not there"
    )
    given = parser.parse_args()
    given.destination = given.destination.expanduser().absolute()
    with command(given):
        main = Path.cwd()
        done = backup(main, given.destination, own_files(main))
        print(
            f"{main}: {done.copied} files copied ({done.bytes / 1e6:,.1f} MB), {done.unchanged} were there "
            f"already; all {done.copied + done.unchanged} verified in {done.folder}."
        )
        if done.changing:
            names = ", ".join(path.as_posix() for path in done.changing[:4])
            print(
                f"{len(done.changing)} changed while they were copied ({names} …): run it again "
                "when no job runs."
            )


if __name__ == "__main__":
    main()
