// Seeded chance: the same numbers for the same run of an execution, at no event.

import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { CerebelumError } from '../core/errors.js'
import { partitionOf } from '../core/partition.js'

/** Numbers in [0, 1) with 32 bits of chance each. */
export function seededRandom(executionId: string, run: number): () => number {
  const generator = xoroshiro128plus(partitionOf(`${run}:${executionId}`, 0x1_0000_0000))
  return () => (generator.next() >>> 0) / 0x1_0000_0000
}

/** A version 4 UUID (RFC 9562) of seeded chance. */
export function seededUuid(random: () => number): string {
  const hex = Array.from({ length: 4 }, () =>
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0'),
  ).join('')
  const variant = '89ab'[Math.floor(random() * 4)]
  if (variant === undefined) throw new CerebelumError('INTERNAL', 'random() left [0, 1)')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
}
