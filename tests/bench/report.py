"""The page people read: machine, versions, and one table of what is aimed at and what was measured. PURE."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unicodedata import east_asian_width

Row = tuple[str, str, str]
"""What was measured, what is aimed at, the number."""
Rows = Callable[[dict[str, Any]], Iterator[Row]]


def page(
    machine: Mapping[str, str], versions: Mapping[str, str], results: Mapping[str, dict[str, Any]], *, quick: bool
) -> str:
    """Everything; `quick` is said, since short runs are coarse."""
    head = [
        "{date}: {cpu}, {cores} cores, {memory}, Linux {kernel}, load before: {load}".format_map(machine),
        ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    if quick:
        head.append("a quick look: short runs, coarse numbers")
    rows = [row for name, result in results.items() for row in ROWS[name](result)]
    return "\n".join([*head, "", *_aligned([("measured", "aim", "here"), *rows]), ""])


def _aligned(rows: Sequence[Row]) -> list[str]:
    widths = [max(_width(row[column]) for row in rows) for column in (0, 1)]
    return [
        row[0] + " " * (widths[0] - _width(row[0]) + 2) + row[1] + " " * (widths[1] - _width(row[1]) + 2) + row[2]
        for row in rows
    ]


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _ami(result: dict[str, Any]) -> Iterator[Row]:
    yield "AMI events per CPU s, panoramisk as published", "", f"{result['panoramisk_bare_events_per_cpu_s']:,}"
    yield "AMI events per CPU s, callcenter.ami", "", f"{result['callcenter_bare_events_per_cpu_s']:,}"
    yield "  times as many", ">= 10", f"{result['ratio_bare']}; with five headers read: {result['ratio_reading']}"


def _ivr(result: dict[str, Any]) -> Iterator[Row]:
    for row in result["loopback"]:
        yield f"IVR, CPU ms a call, {row['rate']} calls/s, AGI alone", "<= 1.5", f"{row['ivr_cpu_ms_per_call']}"
    for row in result["sipp"]:
        told = f"{row['ivr_cpu_ms_per_call']}; Asterisk {row['asterisk_cpu_ms_per_call']}; {_held(row)}"
        yield f"IVR, CPU ms a call, {row['rate']} calls/s, whole calls", "<= 1.5", told
    if not result["sipp"]:
        yield "IVR, whole calls", "", "left out: needs sipp (apt install sip-tester)"


def _flow(result: dict[str, Any]) -> Iterator[Row]:
    for part, rows in result.items():
        words = {"plain": "no speech", "speech": "live words and transcripts"}[part]
        for row in rows:
            name = f"three-party calls, {row['rate']:g}/s, {words}"
            slowest = max(row[f"{kind}_ms"][1] for kind in ("consult", "merge", "leave"))
            yield name, "", f"{row['complete']}/{row['calls']} complete; {_held(row)}; {row['cores_used']} cores"
            yield "  slowest command p95; rows written p99", "<= 500 ms", f"{slowest}; {row['lag_p99_ms']} ms"
            yield "  CPU ms a call", "", ", ".join(f"{who} {ms}" for who, ms in row["cpu_ms_per_call"].items())
        if rows:
            best = max((row["rate"] for row in rows if row["held"]), default=0)
            aim = "8 (bare telephony)" if part == "plain" else ""
            yield f"three-party calls/s held, {words}", aim, f"{best:g}"


def _held(row: Mapping[str, Any]) -> str:
    return "held" if row["held"] else "NOT held"


def _api(result: dict[str, Any]) -> Iterator[Row]:
    for row in result["ticket_api"]:
        worst = max(value for key, value in row.items() if key.endswith("p99_ms"))
        yield (
            f"ticket API writes/s, {row['clients']} clients",
            "",
            f"{row['writes_per_s']}; slowest kind p99 {worst} ms",
        )


def _speech(result: dict[str, Any]) -> Iterator[Row]:
    name = result["model"]
    yield f"Vosk, {name}, CPU s per s of audio, files", "", f"{result['file_cpu_per_audio_s']}"
    yield f"Vosk, {name}, CPU s per s of audio, live", "", f"{result['live_cpu_per_audio_s']}"
    yield f"Vosk, {name}, live streams a core", "", f"{result['live_recognisers_per_core']}"
    yield "recording measured and hashed, times real time", "", f"{result['examine_times_real_time']:,}"


def _clocks(result: dict[str, Any]) -> Iterator[Row]:
    for name, seconds in result.items():
        if name == "load_s":
            yield "work calendar loaded, s", "", f"{seconds}"
            continue
        if name == "cases_per_s":
            yield "calculator: whole cases a second", "", f"{seconds:,.0f}"
            continue
        yield f"deadlines: {name.removesuffix('_s').replace('_', ' ')}, s a million", "", f"{seconds}"


def _search(result: dict[str, Any]) -> Iterator[Row]:
    loaded = result["load"]
    made_s = sum(value for name, value in loaded.items() if name.endswith("_s"))
    size = sum(value for name, value in loaded.items() if name.endswith("_bytes"))
    yield f"{result['tickets']:,} tickets loaded and indexed, s", "", f"{made_s:.0f}; {size / 2**30:.1f} GiB"
    words = loaded["words_bytes"] + loaded["words_index_bytes"]
    yield "  of it what they are searched by", "", f"{words / 2**30:.1f} GiB"
    for row in result["questions"]:
        told = f"{row['p50_ms']} / {row['p99_ms']}; {row['slowest_rows_read']:,} rows read; {row['found']} found"
        yield f"  {row['name']}, p50 / p99 ms", "", told
    known = result["knowledge"]
    told = f"{known['word_p50_ms']} / {known['word_p99_ms']}"
    yield f"knowledge, {known['items']:,} items, a word, p50 / p99 ms", "", told
    told = f"{known['question_p50_ms']} / {known['question_p99_ms']}"
    yield "  a whole question, p50 / p99 ms", "", told
    yield "  items imported, s", "", f"{known['import_s']}"


def _intake(result: dict[str, Any]) -> Iterator[Row]:
    for codec, row in result["codecs"].items():
        told = f"{row['times_real_time_a_core']:,} ({row['spool_mb_s_a_core']} MB/s of spool); {row['audio_h']} h"
        yield f"intake to two stores, {codec}, times real time a core", ">= 50", told
        yield "  sealed, KiB a minute", "", f"{row['kib_a_minute']}"
    for cipher, row in result["ciphers"].items():
        yield f"{cipher}, MB/s a core sealed / opened", "", f"{row['seal_mb_s']:,} / {row['open_mb_s']:,}"


def _custody(result: dict[str, Any]) -> Iterator[Row]:
    told = f"{result['audio_h']} h of audio; workers killed {result['kills']} times; {result['took_s']} s"
    yield f"{result['recordings']:,} recordings from spool to certificate", "none lost", told
    yield (
        "  damaged and mended / held / deleted with certificate",
        "",
        (f"{result['damaged']} / {result['held']} / {result['deleted']:,}"),
    )


def _audit(result: dict[str, Any]) -> Iterator[Row]:
    rows = result["rows"]
    for algorithm in ("sha256", "sm3"):
        found = result[algorithm]
        yield f"audit, {rows:,} rows linked, {algorithm}", "", f"{found['sealing_rows_per_s']:,.0f} rows/s"
        yield f"audit, {rows:,} rows verified, {algorithm}", "60 s a million", f"{found['verify_s']:.1f} s"
    yield "audit, who saw one recording", "1 s", f"{result['sha256']['who_saw_ms']:.0f} ms"
    yield "audit, memory grown by verifying", "flat", f"{result['sha256']['verify_memory_grown_mib']:.0f} MiB"


def _deadlines(result: dict[str, Any]) -> Iterator[Row]:
    yield f"{result['deadlines']:,} open deadlines loaded, s", "", f"{result['load_s']}"
    for name in ("nothing_due", "full_batch"):
        row = result[name]
        told = f"{row['ms']} ms; {row['rows_read']:,} rows read; {row['claimed']} told"
        yield f"  deadline sweep, {name.replace('_', ' ')}", "", told
    yield f"  all {result['claimed']:,} late ones told, s", "", f"{result['rest_s']}"


def _completeness(result: dict[str, Any]) -> Iterator[Row]:
    yield f"watch of recordings, {result['legs']:,} legs a day, nothing new, ms", "", f"{result['nothing_new_ms']}"
    for name in ("twenty_seconds", "backlog"):
        yield f"  the same with {result[f'{name}_legs']:,} new legs, ms", "", f"{result[f'{name}_ms']}"
    yield "  figures of a day, ms", "", f"{result['figures_ms']}"


def _restore(result: dict[str, Any]) -> Iterator[Row]:
    base = result["base"]
    size = f"{base['bytes'] / 2**20:.0f} MiB, sealed {base['sealed_bytes'] / 2**20:.0f} MiB"
    yield f"base backup, {result['tickets']:,} tickets, verified, s", "", f"{base['s']}; {size}"
    for name, what in (("drill", "restore drill"), ("live_gone", "the same, live database gone")):
        one = result[name]
        steps = f"files {one['files_s']}, answered {one['answered_s']}, {one['segments']} segments of the log"
        yield f"{what}, {one['recordings']} recordings opened: RTO, s", "3,600", f"{one['rto_s']}; {steps}"
        yield "  what would be lost: RPO, s", "300", f"{one['rpo_s']}; {one['findings']} findings"
    alone, received, synchronous = (result[f"commits_per_s_{one}"] for one in ("alone", "received", "synchronous"))
    yield (
        "commits/s, one writer: alone, received, synchronous",
        "",
        f"{alone:,.0f}; {received:,.0f}; {synchronous:,.0f}",
    )


def _console(result: dict[str, Any]) -> Iterator[Row]:
    for name, one in result["screens"].items():
        aim = "<= 300 KB gzip" if name == "desk" else ""
        told = f"{one['files']}; {one['gzip_kb']}; {one['sent_kb']} KB; {one['ready_ms']} ms"
        yield f"first load of {name}: files; gzip; as sent (br); until its heading", aim, told
    ring = f"{result['ring_p50_ms']}; {result['ring_p99_ms']} ms"
    yield f"ring event to caller card on screen, {result['rings']} rings, p50; p99", "<= 300 ms", ring


def _playback(result: dict[str, Any]) -> Iterator[Row]:
    length = f"{result['seconds'] // 60} min"
    yield "ffmpeg started and ended, without a sound, p50", "", f"{result['ffmpeg_alone_p50_ms']} ms"
    for kind, name in (("spool", "plain file"), ("flac", "sealed FLAC"), ("opus", "sealed Opus")):
        found = result[kind]
        seek = f"{found['seek_p50_ms']}; {found['seek_p99_ms']} ms"
        yield f"seek in {length} of {name} over HTTP, first 64 KiB, p50; p99", "<= 200 ms", seek
        if found["browser_p50_ms"]:
            told = f"{found['browser_p50_ms']}; {found['browser_p99_ms']} ms"
            yield "  Chromium, from the click to sound; p50; p99", "<= 200 ms", told
        yield "  ffmpeg -ss: start, open, seek, one second; p50", "", f"{found['ffmpeg_p50_ms']} ms"
        grown = f"{found['memory_grown_mib']} of {found['memory_before_mib']} MiB; {found['stream_times_real_time']:,}"
        yield "  memory grown by streaming all of it; times real time", "flat", grown


ROWS: Mapping[str, Rows] = {
    "ami": _ami,
    "ivr": _ivr,
    "flow": _flow,
    "api": _api,
    "speech": _speech,
    "clocks": _clocks,
    "search": _search,
    "intake": _intake,
    "custody": _custody,
    "audit": _audit,
    "completeness": _completeness,
    "deadlines": _deadlines,
    "playback": _playback,
    "console": _console,
    "restore": _restore,
}
"""Bench -> the rows of its result."""
