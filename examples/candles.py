#!/usr/bin/env python3
"""Reads the candles of a symbol into pandas and draws them.

    python3 -m venv venv
    venv/bin/pip install -r examples/requirements.txt
    venv/bin/python examples/candles.py postgresql:///exchange?host=… AAPL 2026-11-20 candles.png

The first argument is any connection string of PostgreSQL; an empty one leaves it to PGHOST, PGUSER
and the like. The picture becomes what the ending of its name says: .png, .svg, .pdf.
"""

import argparse
import datetime

import matplotlib

matplotlib.use("Agg")  # No window.
import matplotlib.dates as dates
import matplotlib.pyplot as plt
import pandas as pd
import psycopg
from matplotlib.patches import Patch

# Told apart by all kinds of colour vision; what fell is also filled, and what rose is not.
ROSE, FELL, GREY = "#0072B2", "#D55E00", "#555555"


def read_candles(connection, symbol, date, resolution):
    """The candles of a day where the exchange is, one a row, by the time that they open at."""
    with connection.cursor() as cursor:
        zone = cursor.execute("SHOW exchange.time_zone").fetchone()[0]
        cursor.execute(
            """
            SELECT opened_at, open::float8, high::float8, low::float8, close::float8, volume,
                   turnover::float8
            FROM exchange.candles
            WHERE symbol = %(symbol)s AND resolution = %(resolution)s
              AND opened_at >= %(date)s::timestamp AT TIME ZONE %(zone)s
              AND opened_at < (%(date)s::timestamp + interval '1 day') AT TIME ZONE %(zone)s
            ORDER BY opened_at
            """,
            {"symbol": symbol, "resolution": resolution, "date": date, "zone": zone},
        )
        candles = pd.DataFrame(cursor, columns=[column.name for column in cursor.description])
    candles = candles.set_index("opened_at")
    candles.index = pd.to_datetime(candles.index, utc=True).tz_convert(zone)
    return candles


def draw(candles, symbol, date, resolution):
    """A picture of candles, their volume, and the volume-weighted average price so far."""
    rose = candles["close"] >= candles["open"]
    colours = rose.map({True: ROSE, False: FELL})
    length = pd.Timedelta(resolution)
    middles = candles.index + length / 2
    vwap = candles["turnover"].cumsum() / candles["volume"].cumsum()

    figure, (prices, volumes) = plt.subplots(
        2, sharex=True, figsize=(10, 6), height_ratios=(3, 1), layout="constrained"
    )
    prices.vlines(middles, candles["low"], candles["high"], colors=colours, linewidth=1)
    # A candle that closed where it opened is a thin line.
    thinnest = (candles["high"].max() - candles["low"].min()) / 400
    prices.bar(
        middles,
        (candles["close"] - candles["open"]).abs().clip(lower=thinnest),
        bottom=candles[["open", "close"]].min(axis="columns"),
        width=0.7 * length,
        color=colours.where(~rose, "white"),
        edgecolor=colours,
        linewidth=1,
        zorder=3,
    )
    (line,) = prices.plot(
        middles, vwap, "--", color=GREY, linewidth=1.2, label="VWAP since the open", zorder=4
    )
    volumes.bar(
        middles,
        candles["volume"],
        width=0.7 * length,
        color=colours.where(~rose, "white"),
        edgecolor=colours,
        linewidth=1,
        zorder=3,
    )

    day = datetime.date.fromisoformat(date)
    title = f"{symbol}, {day:%A} {day.day} {day:%B %Y}, candles of {resolution}"
    prices.set_title(title, loc="left", fontweight="bold")
    kinds = [
        Patch(facecolor="white", edgecolor=ROSE, label="rose, or stayed"),
        Patch(facecolor=FELL, edgecolor=FELL, label="fell"),
    ]
    prices.legend(handles=[*kinds, line], loc="best", frameon=False)
    # Bars would else stand on the axis.
    prices.use_sticky_edges = False
    prices.margins(y=0.06)
    prices.set_ylabel("price")
    prices.yaxis.set_major_formatter("{x:,.2f}")
    volumes.set_ylabel("volume")
    volumes.yaxis.set_major_formatter("{x:,.0f}")
    zone = candles.index.tz
    volumes.xaxis.set_major_locator(dates.HourLocator(tz=zone))
    volumes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M", tz=zone))
    volumes.set_xlabel(f"time ({zone})")
    volumes.set_xlim(candles.index[0] - length, candles.index[-1] + 2 * length)
    for axes in (prices, volumes):
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def main():
    parser = argparse.ArgumentParser(description="Draws the candles of a symbol.")
    parser.add_argument("connection", help="postgresql://…, or empty")
    parser.add_argument("symbol")
    parser.add_argument("date", help="as in 2026-11-20")
    parser.add_argument("picture", help="the file to write")
    parser.add_argument("--resolution", default="5 minutes", help="[default: %(default)s]")
    arguments = parser.parse_args()

    with psycopg.connect(arguments.connection) as connection:
        candles = read_candles(connection, arguments.symbol, arguments.date, arguments.resolution)
    if candles.empty:
        parser.exit(1, f"{arguments.symbol} did not trade on {arguments.date}\n")
    print(candles.describe().round(2))
    figure = draw(candles, arguments.symbol, arguments.date, arguments.resolution)
    figure.savefig(arguments.picture, dpi=100)


if __name__ == "__main__":
    main()
