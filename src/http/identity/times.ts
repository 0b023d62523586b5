/** Times as the API tells them: RFC 3339, UTC, to the millisecond. */
export const timeText = (atMs: number): string => new Date(atMs).toISOString()

export const timeOrNull = (atMs: number | undefined): string | null => (atMs === undefined ? null : timeText(atMs))
