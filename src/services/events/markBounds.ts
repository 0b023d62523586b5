/** How many marks there are and how long they may be; apart from Mark.ts, because the storage worker must not load Effect. */

/** Characters. */
export const markNameMax = 256

/** Characters; a cursor of the journal has some 130. */
export const markValueMax = 1024

/** More than ever feed the log at once: those of sources that are configured no longer stay a while. */
export const marksMax = 1024
