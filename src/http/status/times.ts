/** Times as the System Status Service writes them: Python's `datetime.isoformat()` in UTC, with microseconds. */
export const isoMicros = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, -1)}000+00:00`
