// @ts-nocheck: AssemblyScript, which has types and functions of its own
/** In which of COPY's formats the plan's rows are written. */
import { FORMAT_BINARY } from "./layout.ts";

/** COPY binary; else COPY text. */
export let isBinary: bool = false;

/** Takes the format of a plan. */
export function useFormat(format: u32): void {
  isBinary = format === FORMAT_BINARY;
}
