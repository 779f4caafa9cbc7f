"""A reader of written pages."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """The elements of a page, its visible text, and the cells of its tables' rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.words = text, ""
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.inside = ""
        self.feed(text)
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("td", "th", "style", "script"):
            self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside in ("td", "th"):
            self.rows[-1][-1] += data.replace("\n", "")
        self.words += "" if self.inside in ("style", "script") else data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def nothing_runs(self) -> bool:
        """Whether nothing on the page can load or run."""
        harmless = all(
            not [name for name in found if name.startswith("on") or name == "src"]
            and found.get("href", "#").startswith("#")
            for _, found in self.elements
        )
        active = {"script", "link", "img", "iframe", "object", "image", "form", "base"}
        return (
            harmless
            and not self.tags() & active
            and "http" not in self.text.replace("http-equiv", "")
        )
