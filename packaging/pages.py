#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pages.py [--check]: makes Sources/Appliance/Pages/ManualPages*.swift of packaging/manual/*.md, the pages at /docs.

The pages know headings, paragraphs, lists, fenced blocks, **strong**, *emphasis*, `code` and [links](…), and no HTML: what
looks like a tag is text. With --check nothing is written, and the exit code tells whether it would be."""

import html
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MANUAL = ROOT / "packaging" / "manual"
PAGES = ROOT / "Sources" / "Appliance" / "Pages"
FENCE = re.compile(r"^```(\S*)(.*)$")
MARKS = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(((?:https://|/)[^)\s]*)\)")


def inline(text):
    """A paragraph's text as HTML."""
    parts, end = [], 0
    for mark in MARKS.finditer(text):
        parts.append(html.escape(text[end : mark.start()]))
        code, strong, emphasis, label, target = mark.groups()
        if code:
            parts.append(f"<code>{html.escape(code)}</code>")
        elif strong:
            parts.append(f"<strong>{inline(strong)}</strong>")
        elif emphasis:
            parts.append(f"<em>{inline(emphasis)}</em>")
        else:
            parts.append(f'<a href="{html.escape(target)}">{inline(label)}</a>')
        end = mark.end()
    return "".join(parts) + html.escape(text[end:])


def blocks(text):
    """The page in pieces: (kind, information, lines)."""
    lines = iter(text.splitlines())
    open_kind, own = None, []
    for line in lines:
        fence = FENCE.match(line)
        kind = "list" if line.startswith("* ") else "heading" if line.startswith("#") else "text" if line.strip() else None
        if open_kind and (fence or kind != open_kind) and not (open_kind == "list" and line.startswith("  ")):
            yield open_kind, "", own
            open_kind, own = None, []
        if fence:
            body = []
            for inner in lines:
                if inner.startswith("```"):
                    break
                body.append(inner)
            else:
                raise SystemExit("a block is not closed")
            yield "fence", (fence[1] + fence[2]).strip(), body
        elif kind == "heading":
            yield "heading", "", [line]
        elif kind or line.strip():
            open_kind = open_kind or kind
            own.append(line)
    if own:
        yield open_kind, "", own


def rendered(text):
    """The title and the HTML of a page."""
    title, out = None, []
    for kind, _, lines in blocks(text):
        if kind == "heading":
            level = len(lines[0]) - len(lines[0].lstrip("#"))
            words = lines[0][level:].strip()
            title = title or words
            out.append(f"<h{level}>{inline(words)}</h{level}>")
        elif kind == "fence":
            out.append("<pre><code>" + html.escape("\n".join(lines)) + "</code></pre>")
        elif kind == "list":
            items = re.split(r"^\* ", "\n".join(lines), flags=re.MULTILINE)[1:]
            out.append("<ul>" + "".join(f"<li>{inline(' '.join(item.split()))}</li>" for item in items) + "</ul>")
        else:
            out.append(f"<p>{inline(' '.join(' '.join(lines).split()))}</p>")
    return title, "\n".join(out)


def pages():
    """The files to be written, by path."""
    names, files = [], {}
    for path in sorted(MANUAL.glob("*.md")):
        name = path.stem.split("-", 1)[1]
        title, body = rendered(path.read_text())
        assert '"""##' not in body and title
        case = "".join(word.capitalize() for word in name.split("-"))
        case = case[0].lower() + case[1:]
        names.append(case)
        text = "\n".join(("        " + line).rstrip() for line in body.splitlines())
        files[PAGES / f"ManualPages+{case[0].upper() + case[1:]}.swift"] = (
            "// SPDX-License-Identifier: Apache-2.0\n"
            f"// Made by packaging/pages.py of packaging/manual/{path.name}.\n\n"
            "// swift-format-ignore-file\n\n"
            "extension ManualPages {\n"
            f'    static let {case} = ManualPage(\n        name: "{name}", title: "{title}",\n'
            f'        html: ##"""\n{text}\n        """##)\n}}\n'
        )
    files[PAGES / "ManualPages.swift"] = (
        "// SPDX-License-Identifier: Apache-2.0\n"
        "// Made by packaging/pages.py of packaging/manual.\n\n"
        "// swift-format-ignore-file\n\n"
        "/// The pages of the manual, in their order.\nenum ManualPages {\n"
        "    static let all = [" + ", ".join(names) + "]\n}\n"
    )
    return files


def main():
    wanted = pages()
    there = {path: path.read_text() for path in PAGES.glob("ManualPages*.swift")}
    if sys.argv[1:] == ["--check"]:
        wrong = sorted({path.name for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path)})
        if wrong:
            sys.exit("pages.py: error: not as packaging/manual has it: " + ", ".join(wrong) + "\nhint: packaging/pages.py")
        return
    for path in there.keys() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        if there.get(path) != text:
            path.write_text(text)


if __name__ == "__main__":
    main()
