"""The command line. Stages are imported inside the commands, so that help answers at once."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from teikei.errors import StudyError, TeikeiError

app = typer.Typer(
    name="teikei",
    help="What should rival carmakers share and buy together, what does it save, who gets what?",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)

INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder with study.yaml and tables, or a workbook")]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop")] = False) -> None:
    if version:
        from teikei import __version__

        typer.echo(f"teikei {__version__}")
        raise typer.Exit


def _writable(out: Path) -> Path:
    """The file to write, the folder it goes into made."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{out.parent} cannot be made a folder: {error.strerror or error}") from error
    return out


@app.command(short_help="Start a study: a blank one, or a copy of the shipped one")
def new(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make, or workbook with --excel")],
    template: Annotated[str, typer.Option(help="blank or nissan-honda")] = "blank",
    excel: Annotated[bool, typer.Option("--excel", help="One workbook instead of a folder of tables")] = False,
) -> None:
    """Start a study: a blank one, or a copy of the shipped one."""
    from teikei.study import new as start

    typer.echo(f"Written: {start(directory, template=template, excel=excel)}")


@app.command("import", short_help="A person's own workbook or CSV into the tables of a tender or study")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Workbook (.xlsx, .xlsm, .ods) or CSV of whatever form")],
    kind: Annotated[str, typer.Option("--as", help="tender, study, vehicles or drive")],
    out: Annotated[Path, typer.Option(help="Folder to write: the tables and import.yaml")],
    map_file: Annotated[Path | None, typer.Option("--map", help="An import.yaml: readings and answers")] = None,
    locale: Annotated[str, typer.Option(help="Thousands and decimal signs of texts: auto, en, de, ja")] = "auto",
) -> None:
    """Read a person's own sheets into tables: what means two things is asked for by place, what is left out named."""
    if kind == "drive":
        from teikei.simulate.drive_import import import_drive

        for line in import_drive(file, out):
            typer.echo(line)
        typer.echo(f"Written: {out / 'drive.csv'}")
        return
    from teikei.simulate.vehicle_file import vehicle_columns
    from teikei.tables.intake import import_file

    tables = {"vehicles": vehicle_columns()} if kind == "vehicles" else None
    made = import_file(file, kind, out, map_file, locale, tables)
    for problem in made.problems:
        typer.echo(str(problem), err=True)
    for line in made.not_used:
        typer.echo(line)
    if any(not problem.warning for problem in made.problems):
        typer.echo(f"Nothing is imported yet: answer in {out / 'import.yaml'} and give it with --map", err=True)
        raise typer.Exit(StudyError.exit_code)
    typer.echo("; ".join(f"{name}: {count} rows" for name, count in made.tables.items()))
    typer.echo(f"Written: {out}")


@app.command(short_help="Every problem of a study, with its place")
def check(
    study: StudyPath,
    output: Annotated[str, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Print every problem of a study with its place; exit 2 if there is an error."""
    from teikei.study import check as find_problems
    from teikei.study import format_problems_json, format_problems_text

    if output not in ("text", "json"):
        raise StudyError(f"--format is {output!r}; expected text or json")
    problems = find_problems(study)
    if output == "json":
        typer.echo(format_problems_json(problems))
    else:
        typer.echo(format_problems_text(problems) if problems else "No problems found.")
    if any(not problem.warning for problem in problems):
        raise typer.Exit(StudyError.exit_code)


@app.command(short_help="The whole line: from a study's tables to the report")
def run(
    study: StudyPath,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: the next free under runs/)")] = None,
    scenario: Annotated[str | None, typer.Option(help="Name of a scenario of the study")] = None,
    rungs: Annotated[str | None, typer.Option(help="Rungs to solve, separated by commas (default: all)")] = None,
    schedule: Annotated[
        float, typer.Option(help="Prove each schedule of the development further: seconds for each")
    ] = 0.0,
    singles: Annotated[bool, typer.Option("--singles", help="Also plan the companies of a bloc taken singly")] = False,
    thorough: Annotated[bool, typer.Option("--thorough", help="Pursue plans and bounds further: minutes")] = False,
    without: Annotated[
        list[str] | None, typer.Option(help="Leave a stage out: develop, split or market (may be given again)")
    ] = None,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, tcp://HOST:PORT")] = None,
) -> None:
    """Run the whole line: plan every coalition at every rung, split the saving, predict sales, write the report."""
    from teikei.flow import run as run_line
    from teikei.report import headline
    from teikei.study import load
    from teikei.terminal import console, progress_bar, workers

    chosen = [name.strip() for name in rungs.split(",") if name.strip()] if rungs else None
    read = load(study)
    with progress_bar() as progress, workers(cluster) as executor:
        finished = run_line(
            read,
            out,
            scenario,
            chosen,
            executor=executor,
            progress=progress,
            schedule_seconds=schedule,
            singles=singles,
            thorough=thorough,
            without=without or (),
        )
    console().print(headline(finished.tables, finished.meta))
    typer.echo(f"Report: {finished.report_path}")


@app.command(short_help="Energy use and range of cars")
def simulate(
    out: Annotated[Path, typer.Option(help="CSV to write")],
    study: Annotated[Path | None, typer.Argument(metavar="STUDY", help="A study: its programmes' candidates")] = None,
    vehicles: Annotated[Path | None, typer.Option(help="CSV of measured or planned vehicles with road loads")] = None,
    cycles: Annotated[str, typer.Option(help="Cycles, separated by commas")] = "udds,hwfet",
    calibration: Annotated[Path | None, typer.Option(help="JSON from `teikei calibrate`")] = None,
    without_maker: Annotated[bool, typer.Option("--without-maker", help="Use the population's parameters")] = False,
    trace: Annotated[Path | None, typer.Option(help="CSV to write of every drive step by step (--vehicles)")] = None,
) -> None:
    """Energy use and range of a study's candidates, or of vehicles given by their road load."""
    from teikei.simulate import simulate_study
    from teikei.simulate.files import simulate_file, write_traces
    from teikei.simulate.study_file import results_path, without_cars

    if (study is None) == (vehicles is None):
        raise StudyError("name a STUDY, or give --vehicles CSV; one of the two")
    if trace is not None and vehicles is None:
        raise StudyError("--trace goes with --vehicles")
    names = [name.strip() for name in cycles.split(",") if name.strip()]
    if vehicles is not None:
        if trace is not None:
            write_traces(vehicles, names, calibration, without_maker, _writable(trace))
            typer.echo(f"Written: {trace}")
        for line in simulate_file(vehicles, names, calibration, without_maker, _writable(out)):
            typer.echo(line)
    else:
        assert study is not None  # noqa: S101 - the test above leaves no other case
        from teikei.study import load

        read = load(study)
        table = simulate_study(read, _writable(out))
        if table.is_empty():
            typer.echo(f"warning: {without_cars(read)}")
        typer.echo(f"Written: {results_path(out)}")
    typer.echo(f"Written: {out}")


@app.command(short_help="Fit a maker's losses to its measured vehicles")
def calibrate(
    measured: Annotated[Path, typer.Option(help="CSV of measured vehicles")],
    out: Annotated[Path, typer.Option(help="JSON to write")],
) -> None:
    """Fit a maker's loss parameters to its measured vehicles and print the leave-one-out error."""
    from teikei.simulate import calibrate_vehicles
    from teikei.terminal import error_table

    found = calibrate_vehicles(measured, _writable(out))
    typer.echo(
        "Mean absolute error in %, left out of the fit that predicts it: one_vehicle, a further trim; one_model, its"
    )
    typer.echo("whole model (a car that is not built yet); whole_maker, its whole maker (a maker never seen)")
    typer.echo(error_table(found["leave_one_out_error_percent"]))
    typer.echo(f"Written: {out}")


@app.command(short_help="E-axle families that a whole line-up could share")
def family(
    study: StudyPath,
    out: Annotated[Path, typer.Option(help="Folder to write: pareto.csv, uses.csv, front.svg, the modules as rows")],
    class_name: Annotated[str, typer.Option("--class", help="Class to design: e-axle")] = "e-axle",
    members: Annotated[int, typer.Option(help="At most so many members")] = 7,
    pick: Annotated[str | None, typer.Option(help="Family of pareto.csv to write as study rows (default: F01)")] = None,
    laminations: Annotated[str, typer.Option(help="E-axle families whose lamination may be used, by commas")] = "",
    lengths: Annotated[str, typer.Option(help="Stack lengths against the strongest member, 0.4 to 2")] = "",
    inverter_kw: Annotated[str, typer.Option(help="Inverter classes, kW (default: powers of the study)")] = "",
    ratios: Annotated[str, typer.Option(help="Reduction ratios, 5 to 16")] = "",
    switches: Annotated[str, typer.Option(help="si, sic or both")] = "",
    voltages: Annotated[str, typer.Option(help="Nominal voltages (default: those of the study)")] = "",
    loss_map: Annotated[
        list[str] | None, typer.Option(help="FAMILY=CSV: measured losses of its strongest member (may be repeated)")
    ] = None,
) -> None:
    """Design e-axle families for a study's line-up: the Pareto front of cost, energy, mass, margin and members."""
    from teikei.family import Choices, design_families, write_families
    from teikei.family.designs import given_numbers, given_texts
    from teikei.study import load
    from teikei.terminal import progress_bar

    default = Choices()
    choices = Choices(
        lengths=given_numbers("--lengths", lengths) or default.lengths,
        inverter_kw=given_numbers("--inverter-kw", inverter_kw),
        ratios=given_numbers("--ratios", ratios) or default.ratios,
        switches=given_texts(switches) or default.switches,
        voltages=given_numbers("--voltages", voltages),
        laminations=given_texts(laminations),
    )
    maps = {}
    for text in loss_map or ():
        name, separator, file = text.partition("=")
        if not separator or not file:
            raise StudyError(f"--loss-map is '{text}'; expected FAMILY=FILE.csv")
        maps[name.strip()] = Path(file)
    read = load(study)
    with progress_bar() as progress:
        found = design_families(
            read, class_name=class_name, choices=choices, maps=maps, most_members=members, progress=progress
        )
    for line in write_families(read, found, out, pick):
        typer.echo(line)
    typer.echo(f"Written: {out}")


WIDE_GAP = 0.05  # an award no nearer than this to its bound is written, and exits as not converged


@app.command(short_help="Award a tender by itself: whom to buy what from")
def award(
    tender: Annotated[Path, typer.Argument(metavar="TENDER", help="Folder of tender tables, or a workbook")],
    out: Annotated[Path, typer.Option(help="Folder to write")] = Path("award"),
    time_limit: Annotated[float, typer.Option(help="Seconds for the whole command")] = 60.0,
    gap: Annotated[float, typer.Option(help="Relative gap at which to stop")] = 1e-4,
    scenarios: Annotated[bool, typer.Option("--scenarios", help="Also: cheapest, incumbent, fewer suppliers")] = False,
    at_most: Annotated[int | None, typer.Option(help="Most suppliers of the scenario with fewer suppliers")] = None,
    rule_prices: Annotated[bool, typer.Option("--rule-prices", help="Also: what rules cost, alone, together")] = False,
    allow_overbuying: Annotated[bool, typer.Option("--allow-overbuying", help="More than asked, if cheaper")] = False,
    whole_units: Annotated[bool, typer.Option("--whole-units", help="Whole numbers of pieces only")] = False,
    lock: Annotated[Path | None, typer.Option(help="An awards.csv whose awards are kept")] = None,
    next_round: Annotated[bool, typer.Option("--next-round", help="Also: at which price losers would win")] = False,
    losers: Annotated[int, typer.Option(help="So many losing items for --next-round")] = 20,
) -> None:
    """Award a tender: whom to buy what from, at least cost, under your rules."""
    from time import perf_counter

    started = perf_counter()
    from teikei.plan.award import award as solve_tender
    from teikei.terminal import progress_bar

    with progress_bar() as progress:
        result = solve_tender(
            tender, out, time_limit_s=time_limit, gap=gap, progress=progress, started=started,
            with_scenarios=scenarios, at_most=at_most, with_prices=rule_prices,
            allow_overbuying=allow_overbuying, whole_units=whole_units, lock=lock,
            next_round=losers if next_round else None,
        )  # fmt: skip
    for warning in result.warnings:
        typer.echo(str(warning), err=True)
    typer.echo(
        f"Cost {result.objective:,.2f}, at least {result.bound:,.2f} is proven (gap {result.gap:.4%}); "
        f"{len(result.suppliers_used)} supplier{'s' * (len(result.suppliers_used) != 1)}; {result.status} after "
        f"{result.seconds:.1f} s"
    )
    for name, one in result.scenarios.items():
        cost = f"{one.objective:,.2f} ({one.objective - result.objective:+,.2f})" if one else "no award satisfies it"
        typer.echo(f"Scenario {name}: {cost}")
    if result.scenarios and "incumbent" not in result.scenarios:
        typer.echo("Scenario incumbent: left out, no rule 'incumbent' names today's suppliers")
    for price in result.prices:
        amount = "no award with it" if price.none else f"{price.price:,.2f}"
        between = "" if price.upper - price.lower <= 0.005 else f" (between {price.lower:,.2f} and {price.upper:,.2f})"
        typer.echo(f"{'Rule' if price.together == 1 else 'Rules'} {price.rule}: costs {amount}{between}")
    for win in result.prices_to_win:
        bid = f"all bids of {win.supplier}" if win.item == "*" else f"{win.supplier}, {win.item}"
        text = f"wins at {win.cut:.3%} less, not at {win.lower:.3%}" if win.cut < 1 else "wins at no price"
        typer.echo(f"Next round: {bid} {text}")
    if result.more_than_asked is not None:
        from teikei.plan.award.write import more_text

        typer.echo(f"Buying more than asked for {more_text(result)}")
    typer.echo(f"Written: {out}")
    if result.gap > max(gap, WIDE_GAP):
        typer.echo(
            f"The gap is above {WIDE_GAP:.0%}: this is the best award found, no good one; allow more time", err=True
        )
        raise typer.Exit(3)


@app.command(short_help="What a rule costs, what relaxing a requirement saves")
def prices(
    study: StudyPath,
    rung: Annotated[str | None, typer.Option(help="Rung of the plan (default: the last that is evaluated)")] = None,
    requirements: Annotated[str, typer.Option(help="Programmes whose requirements to price, by commas")] = "",
    rule: Annotated[list[str] | None, typer.Option(help="A rule not in force, as rule;scope;value (repeat)")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the CSV files")] = Path("prices"),
) -> None:
    """What each rule costs, and what relaxing a requirement would save, for all companies together."""
    from teikei.plan.on_demand import price_study
    from teikei.study import load
    from teikei.terminal import progress_bar, workers

    names = [name.strip() for name in requirements.split(",") if name.strip()]
    read = load(study)
    with progress_bar() as progress, workers() as executor:
        tables = price_study(
            read, out, rung=rung, programmes=names, also=rule or (), executor=executor, progress=progress
        )
    for row in tables["rule_prices"].iter_rows(named=True):
        amount = "no plan with it" if row["status"] == "no plan with it" else f"{row['price']:,.1f} million"
        bounds = "" if "no plan" in amount else f" (between {row['lower']:,.1f} and {row['upper']:,.1f})"
        typer.echo(f"{row['rule']}: {'costs' if row['in_force'] else 'would cost'} {amount}{bounds}")
    for row in tables.get("requirement_prices", tables["rule_prices"].clear()).iter_rows(named=True):
        what = f"{row['programme']} {row['requirement']} relaxed by {row['step']:g} {row['unit']}"
        typer.echo(f"{what}: saves {row['saving_alliance']:,.1f} million, at most {row['saving_upper']:,.1f}")
    typer.echo(f"Written: {out}")


@app.command(short_help="Split the cost or profit of any game, and test the core")
def split(
    game: Annotated[Path, typer.Argument(metavar="GAME.json", help="Players and the value of every coalition")],
    out: Annotated[Path, typer.Option(help="JSON to write")] = Path("split.json"),
) -> None:
    """Split a cost or a profit by every rule, test the core, and name who would leave."""
    from teikei.split import split_file

    split_file(game, _writable(out))
    typer.echo(f"Written: {out}")


@app.command(short_help="How sure are we: the line over samples of the inputs")
def sweep(
    study: StudyPath,
    samples: Annotated[int, typer.Option(help="Samples of the uncertain inputs; powers of two are best")],
    out: Annotated[Path | None, typer.Option(help="Folder (default: sweeps/NAME); what is there is kept")] = None,
    seed: Annotated[int, typer.Option(help="Start of the random numbers")] = 0,
    method: Annotated[str, typer.Option(help="sobol or lhs (Latin hypercube)")] = "sobol",
    scenario: Annotated[str | None, typer.Option(help="Name of a scenario of the study")] = None,
    rungs: Annotated[str | None, typer.Option(help="Rungs to solve, separated by commas (default: all)")] = None,
    tornado: Annotated[int, typer.Option(help="Most telling inputs to look at one by one; 0 = none")] = 10,
    indices: Annotated[int, typer.Option(help="Base points of Sobol indices over those inputs; 0 = none")] = 0,
    no_market: Annotated[bool, typer.Option("--no-market", help="Leave prices and sales out")] = False,
    market_draws: Annotated[int, typer.Option(help="Draws of the market's own parameters in each sample")] = 1,
    keep_plan: Annotated[bool, typer.Option("--keep-plan", help="Price one plan in every sample: far faster")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes (default: one a processor)")] = None,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, tcp://HOST:PORT")] = None,
) -> None:
    """How sure are we: the whole line over samples of the study's uncertain inputs; goes on where it was stopped."""
    from teikei.study import load
    from teikei.sweep import sweep as run_sweep
    from teikei.terminal import progress_bar

    chosen = [name.strip() for name in rungs.split(",") if name.strip()] if rungs else None
    read = load(study)
    with progress_bar() as progress:
        finished = run_sweep(
            read, out, samples=samples, seed=seed, method=method, scenario=scenario, rungs=chosen, tornado=tornado,
            indices=indices, predict=not no_market, market_draws=market_draws, again=not keep_plan, count=workers,
            cluster=cluster, progress=progress,
        )  # fmt: skip
    typer.echo(finished.summary())
    typer.echo(f"Report: {finished.page}")


@app.command(short_help="What teikei would have said of alliances whose outcome is known")
def backtest(
    cases: Annotated[list[str] | None, typer.Argument(metavar="CASE...", help="Cases to answer (default: all)")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV to write, one row for each reported figure")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Plans of each study, drawn from its ranges")] = 24,
) -> None:
    """Plan small studies of alliances whose outcome is known, and set what was reported beside the answer."""
    from teikei.backtest import backtest as answer
    from teikei.backtest import figures_text, verdict
    from teikei.tables.write import write_frame
    from teikei.terminal import progress_bar

    with progress_bar() as progress:
        table = answer(cases or (), samples=samples, progress=progress)
    typer.echo(figures_text(table))
    typer.echo(verdict(table))
    if out is not None:
        write_frame(_writable(out), table)
        typer.echo(f"Written: {out}")


@app.command(short_help="Develop now, buy later: plans for uncertain volumes")
def robust(
    study: StudyPath,
    rung: Annotated[str, typer.Option(help="Rung at which modules and plants are settled")],
    samples: Annotated[int, typer.Option(help="Scenarios of the volumes, drawn from the study's ranges")] = 4,
    out: Annotated[Path | None, typer.Option(help="Folder (default: sweeps/NAME-robust)")] = None,
    seed: Annotated[int, typer.Option(help="Start of the random numbers")] = 0,
    alpha: Annotated[float, typer.Option(help="CVaR: mean cost of the worst 1 - alpha of the scenarios")] = 0.8,
    weight: Annotated[float, typer.Option(help="Weight of CVaR beside the expected cost")] = 0.5,
    workers: Annotated[int | None, typer.Option(help="Processes (default: one a processor)")] = None,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, tcp://HOST:PORT")] = None,
) -> None:
    """Develop now, buy later: modules and plants before the volumes are known, awards after; and what that is worth."""
    from teikei.study import load
    from teikei.sweep.robust_report import robust_files
    from teikei.terminal import progress_bar

    read = load(study)
    with progress_bar() as progress:
        page, told = robust_files(
            read, rung, samples, out, seed=seed, alpha=alpha, weight=weight, count=workers, cluster=cluster,
            progress=progress,
        )  # fmt: skip
    typer.echo(told)
    typer.echo(f"Report: {page}")


@app.command(short_help="Tables of a run as Parquet, CSV or one workbook")
def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run")],
    kind: Annotated[str, typer.Option("--format", help="parquet, csv or xlsx")] = "xlsx",
    out: Annotated[Path | None, typer.Option(help="Folder, or workbook for xlsx (default: beside the run)")] = None,
) -> None:
    """Write every table of a stored run as Parquet, CSV or one workbook, for other tools."""
    from teikei.runs.export import export as write_out

    typer.echo(f"Written: {write_out(run_folder, kind, out)}")


@app.command(short_help="What changed between runs, and what it did")
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Folders of runs; the first is the reference")
    ],
) -> None:
    """What changed in the inputs between runs, and what it did to the results."""
    from teikei.runs.compare import compare_text

    typer.echo(compare_text(runs))


@app.command(short_help="Write the page and workbook of a run again")
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run")],
) -> None:
    """Write the page and the workbook of a stored run again."""
    from teikei.report import write
    from teikei.runs import read

    stored = read(run_folder)
    typer.echo(f"Report: {write(stored.tables, stored.meta, run_folder)}")


@app.command(short_help="The page: companies, joint studies, collective design")
def serve(
    data: Annotated[Path, typer.Option(help="Folder of the server's data (made if new)")] = Path("teikei-data"),
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine only behind TLS")] = "127.0.0.1",
    address: Annotated[str, typer.Option(help="How people reach the page, such as https://room.example")] = "",
    trusted_proxy: Annotated[
        list[str] | None, typer.Option(help="IP address of a proxy whose X-Forwarded-For is believed; may be repeated")
    ] = None,
) -> None:
    """Serve the page: workspaces of companies, joint studies, collective design; the first start prints a link."""
    from teikei.web.serve import serve as run_server

    run_server(data, port, typer.echo, host=host, address=address, trusted_proxies=trusted_proxy or ())


@app.command(short_help="Back up a server's data, without the inputs of joint studies")
def backup(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of the server's data")],
    out: Annotated[Path, typer.Option(help="File to write, such as room.zip")],
) -> None:
    """Write a zip of a server's data, also while it runs; committed inputs and joint runs stay out of it."""
    from teikei.web.backup import backup as write_backup

    typer.echo(
        f"Written: {_writable(out)} ({write_backup(data, out)} files). It is not encrypted: keep it as the data."
    )


@app.command(short_help="Put a backup into a new folder")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What teikei backup has written")],
    data: Annotated[Path, typer.Option(help="New folder for the server's data")],
) -> None:
    """Put a backup into a new folder; sessions and links are not restored."""
    from teikei.web.backup import restore as read_backup

    again = read_backup(file, data)
    typer.echo(f"Restored: {data}. Joint studies whose members commit their inputs again: {again}.")


@app.command("audit-verify", short_help="Prove that a server's log was not changed")
def audit_verify(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="The log as downloaded from the page")],
    head: Annotated[str, typer.Option(help="The head you kept: 64 hexadecimal digits")],
) -> None:
    """Prove that no line of a server's log was changed, left out, moved or cut off; exit 5 if one was."""
    from teikei.web import audit

    text = audit.read_file(log)
    count, later = audit.verify(text, head), audit.lines_after(text, head)
    follow = "no line follows" if not later else "1 line follows" if later == 1 else f"{later} lines follow"
    typer.echo(f"The log is whole: {count} lines. The head given is that of line {count - later}; {follow} it.")


def main() -> None:
    """Entry point of the ``teikei`` command: exit codes as errors.py says, never a traceback."""
    try:
        app(prog_name="teikei")
    except TeikeiError as error:
        typer.echo(str(error), err=True)
        if error.exit_code == INTERRUPTED:
            _leave_at_once()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("Stopped. Nothing half done was left behind.", err=True)
        _leave_at_once()
    except Exception as error:  # the last line of defence: whatever is left is a bug of ours
        typer.echo(f"A fault in teikei ({type(error).__name__}). The trace is in {_write_trace(error)}.", err=True)
        sys.exit(1)


def _leave_at_once() -> NoReturn:
    """Ends after Ctrl-C without waiting for the threads of a pool whose workers were ended amid their work."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _write_trace(error: Exception) -> str:
    """Keep the frames of a fault in a file; values stay out, since they may be private figures."""
    frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
    with tempfile.NamedTemporaryFile("w", prefix="teikei-", suffix="-run.log", delete=False, encoding="utf-8") as file:
        file.write(f"{type(error).__name__}\n{frames}")
    return file.name
