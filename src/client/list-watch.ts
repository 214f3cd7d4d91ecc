// The newest executions of a list as they change. All watchers of one filter share its query; a watcher that is slow is told
// the difference between what it knew and what is.

import { CerebelumError } from '../core/errors.js'
import type { Clock, Logger } from '../core/ports.js'
import type { ExecutionInfo, ListFilter, ListPage } from './client.js'
import { SharedLook } from './shared-look.js'

const LOOK_MS = 1_000
/** Different filters at the same time: each is a query a second. */
const FILTERS_MAX = 100

/** `changed`: new in the list, or not what it was. `gone`: no longer in it, pushed out by newer ones maybe. */
export type ListChange =
  | { readonly kind: 'changed'; readonly execution: ExecutionInfo }
  | { readonly kind: 'gone'; readonly executionId: string }

export interface ListWatchOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly list: (filter: ListFilter) => Promise<ListPage>
}

type Seen = ReadonlyMap<string, ExecutionInfo>

export class ListWatch {
  readonly #options: ListWatchOptions
  readonly #looks = new Map<string, SharedLook<Seen>>()

  constructor(options: ListWatchOptions) {
    this.#options = options
  }

  /** Begins with all of the list. @throws CerebelumError TOO_MANY | what `list` throws of the filter */
  async *changes(filter: ListFilter, signal?: AbortSignal): AsyncGenerator<ListChange, void, undefined> {
    // A filter that is refused is refused here, once, and not in a loop that tries again.
    await this.#options.list({ ...filter, limit: 1 })
    const name = JSON.stringify(filter)
    const look = this.#lookFor(name, filter)
    let known: Seen = new Map()
    try {
      for await (const seen of look.values(signal)) {
        const changes = difference(known, seen)
        known = seen
        for (const change of changes) yield change
      }
    } finally {
      if (look.watchers === 0 && this.#looks.get(name) === look) this.#looks.delete(name)
    }
  }

  /** All watchers end. */
  async stop(): Promise<void> {
    await Promise.all(Array.from(this.#looks.values(), (look) => look.stop()))
  }

  #lookFor(name: string, filter: ListFilter): SharedLook<Seen> {
    const found = this.#looks.get(name)
    if (found !== undefined) return found
    if (this.#looks.size >= FILTERS_MAX) {
      throw new CerebelumError(
        'TOO_MANY',
        `Lists of ${FILTERS_MAX} different filters are watched through this client already. Watch fewer, or the same ones.`,
        { limit: 'listFiltersMax', retryAfterMs: 1_000 },
      )
    }
    const { clock, log, list } = this.#options
    const look = new SharedLook<Seen>({
      name: 'list watch',
      clock,
      log,
      everyMs: LOOK_MS,
      async look() {
        const { executions } = await list(filter)
        return new Map(executions.map((execution) => [execution.executionId, execution]))
      },
    })
    this.#looks.set(name, look)
    return look
  }
}

function difference(before: Seen, now: Seen): ListChange[] {
  const gone = [...before.keys()].filter((executionId) => !now.has(executionId))
  // Oldest first, so that whoever appends has them in the order of the list.
  const changed = [...now.values()]
    .toReversed()
    .filter((execution) => !isSame(before.get(execution.executionId), execution))
  return [
    ...gone.map((executionId): ListChange => ({ kind: 'gone', executionId })),
    ...changed.map((execution): ListChange => ({ kind: 'changed', execution })),
  ]
}

/** What moves with each change of the row. */
function isSame(before: ExecutionInfo | undefined, now: ExecutionInfo): boolean {
  return (
    before !== undefined &&
    before.version === now.version &&
    before.status === now.status &&
    before.run === now.run &&
    before.note === now.note &&
    before.node === now.node
  )
}
