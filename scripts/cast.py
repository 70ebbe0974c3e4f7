#!/usr/bin/env python3
"""A terminal in which a command runs, as an SVG that plays by itself: no script in it, nothing fetched.

Usage: scripts/cast.py OUT.svg COLUMNS ROWS [--keys KEYS@SECONDS] [--title TITLE] [--most SECONDS] -- COMMAND...

The command runs in tmux, whose screen is looked at ten times a second; what comes in between is left out. Pauses of
more than a second and a half are shortened. Where animations are not wanted, the last picture is shown.
"""

import argparse
import html
import os
import re
import subprocess
import sys
import tempfile
import time

LOOK_S = 0.1
LONGEST_PAUSE_S = 1.5
LAST_S = 6.0
CHAR, LINE, PAD, BAR = 8.0, 18.0, 14.0, 30.0
COLORS = ["#484f58", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#76e3ea", "#e6edf3"]
BRIGHT = ["#8b949e", "#ffa198", "#9be9a8", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff"]
PLAIN, GROUND = "#e6edf3", "#0d1117"
SGR = re.compile(r"\x1b\[([0-9;]*)m")


def tmux(server, *words):
    done = subprocess.run(["tmux", "-L", server, "-f", "/dev/null", *words], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def record(command, columns, rows, keys, most):
    """The screens that differ, each with the second at which it came."""
    server = f"cairn-cast-{os.getpid()}"
    with tempfile.TemporaryDirectory() as directory:
        # The screen stays when the command has ended, and its end is seen by a file.
        ended = os.path.join(directory, "ended")
        line = f"{command}; touch {ended}; sleep 60"
        environment = ["-e", "TERM=tmux-256color", "-e", "COLORTERM="]
        started = tmux(server, "new-session", "-d", "-s", "cast", *environment, "-x", str(columns), "-y", str(rows), line)
        if started is None:
            sys.exit("cast.py: tmux does not start; is it installed?")
        tmux(server, "set-option", "-g", "status", "off")
        frames, begin, over = [], time.monotonic(), None
        try:
            while True:
                now = time.monotonic() - begin
                if keys and now >= keys[0][1]:
                    tmux(server, "send-keys", "-t", "cast", "-l", keys.pop(0)[0])
                screen = tmux(server, "capture-pane", "-e", "-p", "-t", "cast")
                if screen is None or now > most:
                    break
                if screen.strip() and (not frames or screen != frames[-1][1]):
                    frames.append((now, screen))
                if over is None and os.path.exists(ended):
                    over = now
                if over is not None and now > over + 5 * LOOK_S:
                    break
                time.sleep(LOOK_S)
        finally:
            tmux(server, "kill-server")
    return frames


def spans(line):
    """The pieces of a line with one look: text, colour, bold, dim."""
    found, look, at = [], {"color": PLAIN, "bold": False, "dim": False, "reverse": False}, 0
    for match in SGR.finditer(line + "\x1b[m"):
        text = line[at : match.start()]
        if text:
            found.append((text, dict(look)))
        at = match.end()
        codes = [int(code or 0) for code in match.group(1).split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                look = {"color": PLAIN, "bold": False, "dim": False, "reverse": False}
            elif code in (1, 2, 7):
                look[{1: "bold", 2: "dim", 7: "reverse"}[code]] = True
            elif code == 22:
                look["bold"] = look["dim"] = False
            elif code == 27:
                look["reverse"] = False
            elif code == 39:
                look["color"] = PLAIN
            elif 30 <= code <= 37:
                look["color"] = COLORS[code - 30]
            elif 90 <= code <= 97:
                look["color"] = BRIGHT[code - 90]
            elif code in (38, 48) and codes:
                # 256 colours: the first sixteen are the usual ones, the others are shown plain.
                taken, codes = (codes[:2], codes[2:]) if codes[0] == 5 else (codes[:4], codes[4:])
                if code == 38 and taken[0] == 5 and taken[1] < 16:
                    look["color"] = (COLORS + BRIGHT)[taken[1]]
    return found


def drawn(line, row):
    """A line as SVG."""
    parts, column = [], 0
    y = BAR + PAD + row * LINE
    for text, look in spans(line):
        x, width = PAD + column * CHAR, len(text) * CHAR
        column += len(text)
        color = look["color"]
        if look["reverse"]:
            parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{LINE:g}" fill="{color}"/>')
            color = GROUND
        if not text.strip():
            continue
        left = len(text) - len(text.lstrip())
        text, x = text.strip(), x + left * CHAR
        style = (' font-weight="600"' if look["bold"] else "") + (' opacity=".65"' if look["dim"] else "")
        fill = "" if color == PLAIN else f' fill="{color}"'
        length = f' textLength="{len(text) * CHAR:g}"' if len(text) > 1 else ""
        parts.append(f'<text x="{x:g}" y="{y + 13:g}"{fill}{style}{length}>{html.escape(text)}</text>')
    return "".join(parts)


def timeline(frames):
    """When each frame begins once pauses are shortened, and when all is over."""
    moments, at = [0.0], 0.0
    for before, after in zip(frames, frames[1:]):
        at += min(after[0] - before[0], LONGEST_PAUSE_S)
        moments.append(at)
    return moments, at + LAST_S


def render(frames, columns, rows, title):
    moments, length = timeline(frames)
    screens = [screen.split("\n") for _, screen in frames]
    rows = max(1, min(rows, max(len([*filter(None, screen)]) and last_row(screen) for screen in screens)))
    shown, looks = [], {}
    for row in range(rows):
        lines = [screen[row].rstrip() if row < len(screen) else "" for screen in screens]
        first = 0
        for place in range(1, len(lines) + 1):
            if place == len(lines) or lines[place] != lines[first]:
                piece = drawn(lines[first], row)
                if piece:
                    until = length if place == len(lines) else moments[place]
                    shown.append((piece, looks.setdefault((moments[first], until), len(looks))))
                first = place
    rules = []
    for (begin, until), name in looks.items():
        if begin == 0 and until == length:
            continue
        from_, to = 100 * begin / length, 100 * until / length
        steps = [f"0%{{visibility:{'visible' if begin == 0 else 'hidden'}}}"]
        if begin > 0:
            steps.append(f"{from_:.2f}%{{visibility:visible}}")
        if until < length:
            steps.append(f"{to:.2f}%{{visibility:hidden}}")
        steps.append(f"100%{{visibility:{'visible' if until == length else 'hidden'}}}")
        still = "visible" if until == length else "hidden"
        rules.append(f"@keyframes k{name}{{{''.join(steps)}}}.k{name}{{visibility:{still};animation:k{name} {length:.1f}s step-end infinite}}")
    width, height = 2 * PAD + columns * CHAR, BAR + 2 * PAD + rows * LINE
    groups = {}
    for piece, name in shown:
        groups.setdefault(name, []).append(piece)
    body = "\n".join(f'<g class="k{name}">{"".join(pieces)}</g>' for name, pieces in groups.items())
    dots = "".join(f'<circle cx="{18 + 18 * place}" cy="15" r="5" fill="#30363d"/>' for place in range(3))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{html.escape(title, quote=True)}">
<style>text{{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}}
{chr(10).join(rules)}
@media (prefers-reduced-motion:reduce){{g{{animation:none!important}}}}</style>
<rect width="{width:g}" height="{height:g}" rx="8" fill="{GROUND}" stroke="#30363d"/>
<g fill="{PLAIN}">
{dots}<text x="{width / 2:g}" y="19" text-anchor="middle" opacity=".7">{html.escape(title)}</text>
{body}
</g>
</svg>
"""


def last_row(screen):
    return max(place + 1 for place, line in enumerate(screen) if SGR.sub("", line).strip())


def main():
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    command = " ".join(sys.argv[split + 1 :])
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("out")
    parser.add_argument("columns", type=int)
    parser.add_argument("rows", type=int)
    parser.add_argument("--keys", action="append", default=[])
    parser.add_argument("--title", default="")
    parser.add_argument("--most", type=float, default=300)
    options = parser.parse_args(sys.argv[1:split])
    keys = [(each.rpartition("@")[0], float(each.rpartition("@")[2])) for each in options.keys]
    frames = record(command, options.columns, options.rows, sorted(keys, key=lambda key: key[1]), options.most)
    if not frames:
        sys.exit("cast.py: the command showed nothing")
    text = render(frames, options.columns, options.rows, options.title)
    with open(options.out, "w", encoding="utf-8") as out:
        out.write(text)
    print(f"{options.out}: {len(frames)} pictures, {len(text)} bytes", file=sys.stderr)


main()
