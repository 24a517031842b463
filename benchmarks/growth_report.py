"""The report of ``benchmarks.growth``: figures in, tables and claims out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .growth_data import LARGE, NAMES


@dataclass(frozen=True)
class Claim:
    """One thing that is to hold, and what was found."""

    text: str
    found: float
    holds: bool


def claims(report: dict[str, Any]) -> list[Claim]:
    """What growth must not do, judged by the largest size."""
    verbs = report["growth"][-1]["verbs"]
    crowd = report["scale"]["crowd"]
    few, many = (report["end_all"][f"{NAMES[LARGE]} {n}"]["statements"] for n in (10, crowd))
    refreshes, prune = report["refreshes"], report["prune"]
    return [
        *(
            Claim(f"{verb}, largest to smallest: at most 1.25", ratio, ratio <= 1.25)
            for verb in ("refresh", "check")
            for ratio in [verbs[verb]["ratio"]]
        ),
        Claim(f"statements to end {crowd:,} sessions: as for 10 ({few})", many, many == few),
        Claim(
            "refresh p99, beside a prune to alone: at most 2",
            prune["ratio_p99"],
            prune["ratio_p99"] <= 2,
        ),
        Claim(
            f"rows added by {refreshes['refreshes']:,} refreshes: none",
            refreshes["rows_added"],
            refreshes["rows_added"] == 0,
        ),
        Claim(
            "share of HOT updates: above 0.95",
            refreshes["hot_share"],
            refreshes["hot_share"] > 0.95,
        ),
    ]


def print_report(report: dict[str, Any]) -> None:
    """Times in milliseconds, and the ratios."""
    for moment in ("before", "after"):
        print(f"{moment}: {report[moment]}")
    print(f"storage options of the sessions' table: {report['table_options'] or 'none'}")
    print(
        "Loaded with INSERT … SELECT; then VACUUM (ANALYZE), CHECKPOINT, and all of it read once,\n"
        "as on a server that has been up for a while. Sessions by chance."
    )
    print_growth(report["growth"])
    print_rest(report)
    print()
    for claim in claims(report):
        print(f"{'holds' if claim.holds else 'FAILS':<7}{claim.text:<60}{claim.found:>10.3f}")


def fillfactor_of(options: list[str]) -> int:
    """The fillfactor among a table's storage options (``name=value``); PostgreSQL's is 100."""
    return int(dict(option.split("=") for option in options).get("fillfactor", 100))


def print_growth(lines: list[dict[str, Any]]) -> None:
    beside = f"beside it, {lines[0]['size']:,}"
    print(f"\n{'verb':<9}{'sessions':>12}{'median':>9}{'p99':>9}{beside:>22}{'p99':>9}", end="")
    print(f"{'ratio':>8}{'p99':>7}")
    for verb in ("refresh", "check", "list"):
        for line in lines:
            found = line["verbs"][verb]
            large, small = found["large"], found["small"]
            print(
                f"{verb:<9}{line['size']:>12,}{large['median_ms']:>9.3f}{large['p99_ms']:>9.3f}"
                f"{small['median_ms']:>22.3f}{small['p99_ms']:>9.3f}"
                f"{found['ratio']:>8.2f}{found['ratio_p99']:>7.2f}"
            )
    print("\nbytes per session, freshly loaded")
    for line in lines:
        parts = line["bytes_per_session"]
        listed = ", ".join(
            f"{part.removeprefix('token_lifecycle_')} {taken:.0f}" for part, taken in parts.items()
        )
        print(f"{line['size']:>12,}: {sum(parts.values()):.0f} ({listed})")


def print_rest(report: dict[str, Any]) -> None:
    print("\nend all sessions of a user")
    for where, found in report["end_all"].items():
        print(f"  {where:<16}{found['statements']} statements, {found['median_ms']:.1f} ms")
    prune = report["prune"]
    print(
        f"\nprune: {prune['sessions']:,} sessions and {prune['events']:,} events in "
        f"{prune['seconds']:.0f} s; a batch took {prune['first_batches_ms']:.1f} ms at first and "
        f"{prune['last_batches_ms']:.1f} ms in the end"
    )
    for when in ("idle", "during"):
        for since, times in prune[when].items():
            print(
                f"  refresh, {prune['refreshes_per_second']} a second, {when:<7}{since:<9}median "
                f"{times['median_ms']:.2f}, p99 {times['p99_ms']:.2f}, max {times['max_ms']:.1f} ms"
            )
    print("\nmany refreshes: share of HOT updates, dead rows, growth of heap and indexes in bytes")
    fillfactor = fillfactor_of(report["table_options"])
    large = {"filled": "loaded, large", "fillfactor": fillfactor, "refreshed": "a few"}
    for found in ({**large, **report["refreshes"]}, *report["packing"]):
        before, after = found["bytes_before"], found["bytes_after"]
        heap = after["heap"] - before["heap"]
        print(
            f"  {found['filled']:<15}{found['fillfactor']:>4}  {found['refreshed']:<17}"
            f"{found['refreshes']:>8,}{found['hot_share']:>8.3f}{found['dead_rows_after']:>8,}"
            f"{heap:>12,}{sum(after.values()) - sum(before.values()) - heap:>12,}"
        )
