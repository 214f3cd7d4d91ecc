// Where other nodes of the cluster leave their hints when the database has no NOTIFY. A hint carries no truth: it makes this
// node look for work a little sooner than it would, at a bounded rate, whoever sent it and whatever it says.

import { z } from 'zod'
import { parse, readJson } from './body.js'
import type { Mounted } from './route.js'

export interface Hint {
  /** Doorbells ring in these. */
  readonly partitions: readonly number[]
  /** Partitions were given up. */
  readonly free: boolean
}

const PARTITIONS_MAX = 1_000

const letter = z.object({
  partitions: z.array(z.int().min(0).max(32_767)).max(PARTITIONS_MAX),
  free: z.boolean(),
})

/** Between nodes: no part of the API, and not in its document. */
export function hintRoute(onHint: (hint: Hint) => void): Mounted {
  return {
    method: 'POST',
    path: '/internal/hints',
    handle: async (c) => {
      onHint(parse(letter, await readJson(c), 'hint'))
      return c.body(null, 204)
    },
  }
}
