"""What each name in a Python program is: exact labels from Python's own parser and symbol table.

    def area(r):                 area: function   r: parameter
        return math.pi * r ** 2  math: import     pi: attribute   r: parameter

The label of a name depends on where it is bound, often many words before. `ast` gives the place of each name,
`symtable` the scope that it belongs to.
"""

import ast
import builtins
import io
import keyword
import symtable
import tokenize
from collections.abc import Iterable, Iterator

UNLABELLED = "_"  # operators, numbers, strings and Python's keywords: they are read and not tagged
NEW_LINE = "¶"  # stands for the end of a line
BUILTINS = frozenset(dir(builtins))
SKIPPED = (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
COMPREHENSIONS = {
    ast.ListComp: "listcomp",
    ast.SetComp: "setcomp",
    ast.DictComp: "dictcomp",
    ast.GeneratorExp: "genexpr",
}


def is_name(token: str) -> bool:
    """Whether a token of a program is a name; other tokens have no label."""
    return token.isidentifier() and not keyword.iskeyword(token)


def code_tokens(text: str) -> list[tuple[str, int, int]]:
    """(token, line from 1, column) of a program. Comments and indentation are left out; a line ends with NEW_LINE.

    Raises SyntaxError or tokenize.TokenError where the text is no program.
    """
    return [
        (NEW_LINE if token.type == tokenize.NEWLINE else token.string, *token.start)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in SKIPPED
    ]


def labelled_code(source: str) -> Iterator[tuple[list[str], list[str], str]]:
    """(tokens, labels, text) of each function, statement and class of a module, in order.

    A class is given up to its first method, and method by method, so that few pieces are long. Raises SyntaxError or
    tokenize.TokenError where the text is no program.
    """
    names = Names(source)
    lines = source.splitlines(keepends=True)
    by_line: dict[int, list[tuple[str, str]]] = {}
    before = ""
    for token, line, column in code_tokens(source):
        place = line, len(lines[line - 1][:column].encode())  # ast counts bytes
        by_line.setdefault(line, []).append((token, names.label(token, before, place)))
        before = token
    done = 0
    for first, last in _pieces(names.tree.body):
        if first <= done:  # a second statement of the same line, which is in the piece before
            continue
        done = last
        pairs = [pair for line in range(first, last + 1) for pair in by_line.get(line, ())]
        yield [token for token, _ in pairs], [label for _, label in pairs], "".join(lines[first - 1 : last])


def _pieces(body: list[ast.stmt]) -> Iterator[tuple[int, int]]:
    """The first and the last line of each piece.

    A class with its variables, up to its first method, is a piece. So is each method. Other statements are left out.
    """
    for statement in body:
        first, last = _lines(statement)
        methods = [part for part in getattr(statement, "body", ()) if isinstance(part, SCOPES)]
        if isinstance(statement, ast.ClassDef) and methods and _lines(methods[0])[0] > statement.lineno:
            yield first, _lines(methods[0])[0] - 1
            yield from _pieces(methods)
        else:
            yield first, last


def _lines(statement: ast.stmt) -> tuple[int, int]:
    """The first line of a statement, its decorators included, and its last line."""
    decorators = getattr(statement, "decorator_list", [])
    return min(part.lineno for part in [statement, *decorators]), statement.end_lineno or statement.lineno


class Names(ast.NodeVisitor):
    """The label of every name of a module. Scopes are visited in the order in which `symtable` lists them."""

    def __init__(self, source: str):
        self.tree = ast.parse(source)
        self.scopes = [symtable.symtable(source, "module", "exec")]
        self.inner = [iter(self.scopes[0].get_children())]
        self.places: dict[tuple[int, int], str] = {}  # label by line and column, in bytes
        self.lines: dict[int, str] = {}  # label of the names of a line that have no node: of imports, `global`, …
        self.visit(self.tree)

    def label(self, token: str, before: str, place: tuple[int, int]) -> str:
        """The label of a token at a place. before: the token before it."""
        if not is_name(token):
            return UNLABELLED
        if before in ("def", "class"):
            return "function" if before == "def" else "class"
        return self.places.get(place) or self.lines.get(place[0], UNLABELLED)

    def kind(self, name: str) -> str:
        """What a name is in the innermost scope."""
        for table in reversed(self.scopes[1:]):
            symbol = self._symbol(table, name)
            if symbol and symbol.is_parameter():
                return "parameter"
            if symbol and symbol.is_local():
                inside = "class_variable" if table.get_type() == "class" else "local"
                return "import" if symbol.is_imported() else inside
            if table.get_name() not in COMPREHENSIONS.values():
                if symbol and symbol.is_free():
                    return "enclosing"
                break  # a comprehension reads the names around it, as if it had no scope of its own
        symbol = self._symbol(self.scopes[0], name)
        if symbol and symbol.is_imported():
            return "import"
        known = symbol and (symbol.is_assigned() or symbol.is_namespace())
        return "global" if known or name not in BUILTINS else "builtin"

    def _symbol(self, table: symtable.SymbolTable, name: str) -> symtable.Symbol | None:
        owners = [scope.get_name() for scope in self.scopes if scope.get_type() == "class"]
        # In a class a name that begins with two underscores is kept with the name of the class before it.
        mangled = f"_{owners[-1].lstrip('_')}{name}" if owners else name
        return next((table.lookup(n) for n in (name, mangled) if n in table.get_identifiers()), None)

    def scope(self, name: str, *parts: ast.AST | Iterable[ast.AST]) -> None:
        """Visit parts of the tree inside the next inner scope."""
        table = next(self.inner[-1])
        if table.get_name() != name:
            raise SyntaxError(f"the scope {table.get_name()} came where {name} was expected")
        self.scopes.append(table)
        self.inner.append(iter(table.get_children()))
        self.all(*parts)
        self.scopes.pop()
        self.inner.pop()

    def all(self, *parts: ast.AST | Iterable[ast.AST] | None) -> None:
        for part in parts:
            for node in [part] if isinstance(part, ast.AST) else part or []:
                if node is not None:
                    self.visit(node)

    def visit_FunctionDef(self, node) -> None:
        arguments = self._arguments(node.args)
        self.all([argument.annotation for argument in arguments], node.returns, node.decorator_list)
        self.scope(node.name, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node) -> None:
        self._arguments(node.args)
        self.scope("lambda", node.body)

    def _arguments(self, args: ast.arguments) -> list[ast.arg]:
        self.all(args.defaults, args.kw_defaults)
        every = [a for a in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg) if a]
        self.places.update({(a.lineno, a.col_offset): "parameter" for a in every})
        return every

    def visit_ClassDef(self, node) -> None:
        self.all(node.bases, node.keywords, node.decorator_list)
        self.scope(node.name, node.body)

    def visit_Try(self, node) -> None:
        self.all(node.body, node.orelse, node.handlers, node.finalbody)

    visit_TryStar = visit_Try

    def generic_visit(self, node: ast.AST) -> None:
        match node:
            case ast.Name():
                self.places[node.lineno, node.col_offset] = self.kind(node.id)
            case ast.keyword(arg=str()):
                self.places[node.lineno, node.col_offset] = "keyword_argument"
            case ast.Attribute():
                self.places[node.end_lineno, node.end_col_offset - len(node.attr.encode())] = "attribute"
            case ast.Import() | ast.ImportFrom():
                self.lines.update(dict.fromkeys(range(node.lineno, node.end_lineno + 1), "import"))
            case ast.Global() | ast.Nonlocal() | ast.ExceptHandler(name=str()):
                name = node.name if isinstance(node, ast.ExceptHandler) else node.names[0]
                self.lines[node.lineno] = self.kind(name)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                first, *others = node.generators
                value = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
                self.visit(first.iter)
                self.scope(COMPREHENSIONS[type(node)], first.target, first.ifs, others, value[1:], value[0])
                return
        super().generic_visit(node)
