"""Names of accounts, whose letter case differs between the files of the release."""

from dataset_convert import schema
from dataset_convert.reading.gan2019.rows import Row, Workbooks
from dataset_convert.reading.values import BadValue, Values, text, token

ONE_CASE = "one spelling of a name in a file: letter case makes no other account"


class Names:
    """The accounts of the ground truth, whose spelling wins.

    Attributes:
        roles: Account -> brand or influencer, in the order in which they were admitted.
    """

    def __init__(self) -> None:
        self.roles: dict[str, schema.Side] = {}
        self._spelling: dict[str, str] = {}

    def admit(self, name: str, role: schema.Side) -> str:
        """Returns an account's name, new ones as they are spelled here.

        Raises:
            BadValue: It is known in the other role.
        """
        account = self._spelling.setdefault(name.casefold(), name)
        if self.roles.setdefault(account, role) != role:
            wanted = "one role an account, brand or influencer: the first row stays"
            raise BadValue(role, name, wanted)
        return account

    def known(self, values: Values, column: str, role: schema.Side | None = None) -> str:
        """Returns an account's name as the ground truth spells it.

        Args:
            values: The row.
            column: Our name of the column.
            role: That the account must have; None for either.

        Raises:
            BadValue: It is missing, or none of the ground truth's accounts of that role.
        """
        name = token(values, column)
        account = self._spelling.get(name.casefold())
        if account is None or role not in (None, self.roles[account]):
            raise BadValue(column, name, f"{role or 'an account'} of the ground truth")
        return account


class Spellings:
    """Tells of names that one file spells in several ways, once for each."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], set[str]] = {}

    def watch(self, books: Workbooks, row: Row, *columns: str) -> None:
        """Looks at a row's names.

        Args:
            books: Where the row comes from.
            row: The row, whose columns hold text or nothing.
            columns: Which of them are names.
        """
        for column in columns:
            name = text(row.values, column).strip()
            seen = self._seen.setdefault((row.file, name.casefold()), set())
            if name not in seen:
                seen.add(name)
                if len(seen) > 1:
                    books.note(row, column, name, ONE_CASE)
