/** What an operation can be, in words. Apart from the rest for the storage thread, which has no Effect. */

/** The store counts in this order: new ones come last. */
export const operationStatuses = ["pending", "running", "completed", "failed", "cancelled"] as const
export type OperationStatus = (typeof operationStatuses)[number]

export const finalStatuses = ["completed", "failed", "cancelled"] as const
export type FinalStatus = (typeof finalStatuses)[number]

export const isFinal = (status: OperationStatus): status is FinalStatus => status !== "pending" && status !== "running"
