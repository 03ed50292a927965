"""Principal component analysis by the singular value decomposition."""

from typing import Any

import composit.numpy as np

NUM_SAMPLES, NUM_FEATURES = 120, 8


def make_data(generator: Any) -> Any:
    """Return measurements that vary mostly along two hidden directions."""
    hidden = generator.standard_normal((NUM_SAMPLES, 2)) * np.array([3.0, 1.5])
    mixing = generator.standard_normal((2, NUM_FEATURES))
    noise = 0.1 * generator.standard_normal((NUM_SAMPLES, NUM_FEATURES))
    return hidden @ mixing + noise + np.linspace(-1, 1, NUM_FEATURES)


class PrincipalComponents:
    """The directions in which centered data vary most."""

    def __init__(self, num_components: int) -> None:
        self.num_components = num_components

    def fit(self, data: Any) -> "PrincipalComponents":
        """Learn mean, directions and their shares of the variance."""
        self.mean = data.mean(axis=0)
        centered = data - self.mean
        _, s, vt = np.linalg.svd(centered, full_matrices=False)
        # The sign of a direction is free: let its largest entry be positive.
        largest = np.abs(vt).argmax(axis=1)
        signs = np.sign(vt[np.arange(len(vt)), largest])
        self.directions = (vt * signs[:, np.newaxis])[: self.num_components]
        variances = s**2 / (len(data) - 1)
        self.shares = variances / variances.sum()
        return self

    def transform(self, data: Any) -> Any:
        """Return coordinates along the directions."""
        return (data - self.mean) @ self.directions.T

    def restore(self, coordinates: Any) -> Any:
        """Return data from coordinates."""
        return coordinates @ self.directions + self.mean


def covariance_spectrum(data: Any) -> Any:
    """Return the eigenvalues of the covariance, largest first: the same variances in another way."""
    return np.linalg.eigvalsh(np.cov(data, rowvar=False))[::-1]


def outliers(data: Any, model: PrincipalComponents) -> Any:
    """Return the rows that the components restore worst."""
    errors = np.linalg.norm(data - model.restore(model.transform(data)), axis=1)
    return np.flatnonzero(errors > errors.mean() + 3 * errors.std())


def main() -> dict[str, Any]:
    """Find two components, restore the data from them, find rows that do not fit."""
    generator = np.random.default_rng(42)
    data = make_data(generator)
    data[17] += 4.0 * np.eye(NUM_FEATURES)[3]
    model = PrincipalComponents(2).fit(data)
    coordinates = model.transform(data)
    error = np.sqrt(np.mean((model.restore(coordinates) - data) ** 2))
    strange = outliers(data, model)

    with np.printoptions(precision=3, suppress=True):
        print("shares of the variance:", model.shares)
        print("first direction:", model.directions[0])
    print(f"root mean square error with 2 of {NUM_FEATURES} numbers per row: {error:.4f}")
    print("rows that do not fit:", strange.tolist())
    agree = np.allclose(covariance_spectrum(data) / covariance_spectrum(data).sum(), model.shares)
    print("the covariance has the same spectrum:", agree)
    correlation = np.corrcoef(coordinates, rowvar=False)
    return {
        "shares": model.shares,
        "coordinates": coordinates,
        "error": error,
        "strange": strange,
        "correlation": correlation,
        "agree": agree,
    }


if __name__ == "__main__":
    main()
