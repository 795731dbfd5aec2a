"""`callcenter policy ...`: what the regulations say and what the product does about it."""

import typer

from callcenter.cli import app

policy = typer.Typer(no_args_is_help=True, help="The regulations as data.")
app.add_typer(policy, name="policy")
