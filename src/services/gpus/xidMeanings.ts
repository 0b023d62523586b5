/**
 * What the driver's error numbers mean, after NVIDIA's catalogue of Xid errors: those that operators meet. A number that is not
 * here is shown without a meaning, as a warning.
 */
import type { XidSeverity } from "./Gpus.ts"

type Meaning = readonly [severity: XidSeverity, meaning: string]

const meanings: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [8, ["warning", "the GPU stopped making progress on its work"]],
  [
    13,
    ["application", "a program made the graphics engine fail, often by an address or instruction that is not valid"]
  ],
  [31, ["application", "a program touched memory of the GPU that it does not have"]],
  [32, ["warning", "commands reached the GPU damaged: the driver, the bus or memory"]],
  [38, ["warning", "the driver's firmware failed"]],
  [43, ["application", "a program's work was stopped after an error of its own; the GPU is well"]],
  [45, ["application", "what was running was cleared away, after another error or because it was ended"]],
  [46, ["critical", "the GPU stopped working"]],
  [48, ["critical", "two bits of memory flipped at once, which ECC cannot correct"]],
  [56, ["warning", "the display engine failed"]],
  [57, ["warning", "the memory interface could not be programmed"]],
  [58, ["warning", "the memory interface is not stable"]],
  [61, ["warning", "a controller inside the GPU stopped at a point where it should not; a reset is needed"]],
  [62, ["critical", "a controller inside the GPU halted; a reset is needed"]],
  [63, ["warning", "a page was retired or a row is to be remapped, at the next reset"]],
  [64, ["critical", "a page could not be retired or a row not be remapped: faulty memory stays in use"]],
  [68, ["warning", "the video decoder failed"]],
  [69, ["application", "a program gave the graphics engine a command that it does not have"]],
  [74, ["critical", "a link to another GPU or a switch (NVLink) failed"]],
  [79, ["critical", "the GPU fell off the bus: the machine reaches it no more"]],
  [92, ["warning", "single bits of memory flip often; ECC has corrected them"]],
  [94, ["critical", "an ECC error that could not be corrected was kept to the program that met it; a reset is needed"]],
  [95, ["critical", "an ECC error that could not be corrected was not kept to one program; a reset is needed"]],
  [109, ["application", "work could not be switched away from in time"]],
  [119, ["critical", "the GPU's system processor (GSP) did not answer the driver in time"]],
  [120, ["critical", "the GPU's system processor (GSP) failed"]],
  [121, ["warning", "the link to the CPU (C2C) corrected an error"]],
  [122, ["warning", "the GPU's own memory for its settings (SPI) could not be read"]],
  [123, ["warning", "the GPU's own memory for its settings (SPI) could not be written"]],
  [137, ["application", "another GPU's memory was touched over NVLink without the right to it"]],
  [140, ["critical", "an ECC error was not recovered from"]],
  [143, ["critical", "the GPU could not be initialized"]],
  [154, ["warning", "what it takes to recover the GPU has changed"]]
])

export const xidMeaning = (number: number): { readonly severity: XidSeverity; readonly meaning: string | null } => {
  const [severity, meaning] = meanings.get(number) ?? ["warning", null]
  return { severity, meaning }
}
