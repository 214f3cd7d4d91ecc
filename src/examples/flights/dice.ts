// Chance that is the same on every machine and in every run: what the example's world does to a flight depends on
// the flight alone, so that a run which was killed twenty times can be checked against the rules.

import { createHash } from 'node:crypto'

/** A number in [0, 1) for this text. */
export function dice(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 0x1_0000_0000
}
