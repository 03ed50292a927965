"""Dates: a payment plan on working days, holidays left out, and totals by month."""

from typing import Any

import composit.numpy as np

HOLIDAYS = ["2024-01-01", "2024-03-29", "2024-04-01", "2024-05-01", "2024-05-09", "2024-05-20", "2024-12-25"]
WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def month_starts(year: int) -> Any:
    """Return the first day of each month."""
    months = np.arange(f"{year}-01", f"{year + 1}-01", dtype="datetime64[M]")
    return months.astype("datetime64[D]")


def payment_days(year: int) -> Any:
    """Return the first working day of each month."""
    return np.busday_offset(month_starts(year), 0, roll="forward", holidays=HOLIDAYS)


def weekday(days: Any) -> Any:
    """Return 0 for Mondays to 6 for Sundays: day 0 of the epoch was a Thursday."""
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7


def month_of(days: Any) -> Any:
    """Return the month of each day, 0 to 11."""
    return days.astype("datetime64[M]").astype(int) % 12


def daily_sales(days: Any, generator: Any) -> Any:
    """Return drawn sales: more on Saturdays, none on Sundays, rising along the year."""
    base = generator.gamma(shape=8.0, scale=12.0, size=days.size)
    growth = 1 + 0.001 * (days - days[0]).astype(float)
    sales = base * growth
    sales[weekday(days) == 5] *= 1.5
    sales[weekday(days) == 6] = 0.0
    return np.round(sales, 2)


def rolling_mean(values: Any, length: int) -> Any:
    """Return the mean of each so many neighbors, by one cumulative sum."""
    cumulative = np.concatenate([[0.0], np.cumsum(values)])
    return (cumulative[length:] - cumulative[:-length]) / length


def main() -> dict[str, Any]:
    """Plan payments, then sum up a year of sales."""
    payments = payment_days(2024)
    shifted = payments != month_starts(2024)
    print(f"{np.count_nonzero(shifted)} of 12 payments are not on the first of the month:")
    for day in payments[shifted]:
        print(f"  {WEEKDAYS[int(weekday(day))]} {day}")

    days = np.arange("2024-01-01", "2025-01-01", dtype="datetime64[D]")
    sales = daily_sales(days, np.random.default_rng(12))
    totals = np.zeros(12)
    np.add.at(totals, month_of(days), sales)
    best = days[np.argmax(sales)]
    print(f"{days.size} days, best {best} with {sales.max():.2f}, best month {totals.argmax() + 1}")
    by_weekday = np.array([sales[weekday(days) == number].mean() for number in range(7)])
    print("means by weekday:", np.round(by_weekday, 1))
    working = np.busday_count("2024-01-01", "2025-01-01", holidays=HOLIDAYS)
    gaps = np.diff(payments) / np.timedelta64(1, "D")
    print(f"{working} working days; payments are {gaps.min():.0f} to {gaps.max():.0f} days apart")
    deadline = np.datetime64("2024-02-28") + np.timedelta64(48, "h")
    print("48 hours after the 28th of February 2024:", deadline)
    return {
        "payments": payments,
        "totals": totals,
        "by_weekday": by_weekday,
        "smooth": rolling_mean(sales, 28),
        "gaps": gaps,
        "best": best,
    }


if __name__ == "__main__":
    main()
