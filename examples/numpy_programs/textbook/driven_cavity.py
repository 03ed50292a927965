"""Flow in a cavity with a moving lid: a pressure equation by Jacobi's method inside each explicit time step."""

from typing import Any

SIZE = 30  # time steps
SMALL_SIZE = 2
POINTS = 21
JACOBI_SWEEPS = 25
TIME_STEP, VISCOSITY = 0.001, 0.1


def run(np: Any, size: int) -> dict[str, Any]:
    """Return velocities and pressure after some time steps."""
    h = 2.0 / (POINTS - 1)
    u, v, p = np.zeros((POINTS, POINTS)), np.zeros((POINTS, POINTS)), np.zeros((POINTS, POINTS))
    for _ in range(size):
        u_x, u_y = (u[1:-1, 2:] - u[1:-1, :-2]) / (2 * h), (u[2:, 1:-1] - u[:-2, 1:-1]) / (2 * h)
        v_x, v_y = (v[1:-1, 2:] - v[1:-1, :-2]) / (2 * h), (v[2:, 1:-1] - v[:-2, 1:-1]) / (2 * h)
        source = (u_x + v_y) / TIME_STEP - u_x**2 - 2 * u_y * v_x - v_y**2
        for _ in range(JACOBI_SWEEPS):
            old = p.copy()
            p[1:-1, 1:-1] = (old[1:-1, 2:] + old[1:-1, :-2] + old[2:, 1:-1] + old[:-2, 1:-1] - h**2 * source) / 4
            p[:, -1], p[:, 0] = p[:, -2], p[:, 1]
            p[0, :], p[-1, :] = p[1, :], 0.0
        p_x, p_y = (p[1:-1, 2:] - p[1:-1, :-2]) / (2 * h), (p[2:, 1:-1] - p[:-2, 1:-1]) / (2 * h)
        u_inner, v_inner = u[1:-1, 1:-1].copy(), v[1:-1, 1:-1].copy()
        u_around = u[1:-1, 2:] + u[1:-1, :-2] + u[2:, 1:-1] + u[:-2, 1:-1] - 4 * u_inner
        v_around = v[1:-1, 2:] + v[1:-1, :-2] + v[2:, 1:-1] + v[:-2, 1:-1] - 4 * v_inner
        u[1:-1, 1:-1] += TIME_STEP * (VISCOSITY * u_around / h**2 - u_inner * u_x - v_inner * u_y - p_x)
        v[1:-1, 1:-1] += TIME_STEP * (VISCOSITY * v_around / h**2 - u_inner * v_x - v_inner * v_y - p_y)
        u[-1, :] = 1.0
    return {"u": u, "v": v, "p": p}
