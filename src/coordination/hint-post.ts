// Hints from node to node where the database has no NOTIFY: "doorbells ring in these partitions", posted to the addresses
// in the leases, at most one request per node at a time; what rings meanwhile goes with the next. Best effort like all hints:
// a node without an address, or one that does not answer, is left to its polls for a while.

import type { Clock } from '../core/ports.js'

export interface HintPostOptions {
  readonly clock: Clock
  /** Addresses of other nodes that look after these partitions: all that a large cluster is told. */
  readonly ownersOf: (partitions: Iterable<number>) => ReadonlyMap<string, readonly number[]>
  /** Addresses of all other nodes. */
  readonly everybody: () => readonly string[]
  /** Posts a letter; whether it was taken. Default: by HTTP. */
  readonly deliver?: (url: URL, body: string) => Promise<boolean>
}

/** What is sent, and what `POST /internal/hints` takes. */
export interface HintLetter {
  readonly partitions: readonly number[]
  /** Partitions were given up, and whoever has less than its share may take them. */
  readonly free: boolean
}

export const HINT_PATH = '/internal/hints'
/** More partitions than this are as good as all. */
export const HINT_PARTITIONS_MAX = 1_000

const TIMEOUT_MS = 1_000
/** A node that did not answer gets no hints for so long. */
const SILENT_MS = 5_000
const ADDRESSES_MAX = 1_000
/** As long as there are no more, all are told, like by NOTIFY: the owner may not be who can run it, or holds it. */
const EVERYBODY_MAX = 16

interface Box {
  readonly partitions: Set<number>
  free: boolean
  isSending: boolean
  silentUntilMs: number
}

export class HintPost {
  private readonly options: HintPostOptions
  private readonly boxes = new Map<string, Box>()

  constructor(options: HintPostOptions) {
    this.options = options
  }

  /** Returns at once. */
  send(partitions: ReadonlySet<number>, areFree: boolean): void {
    const { ownersOf, everybody } = this.options
    const all = everybody()
    if (areFree || all.length <= EVERYBODY_MAX)
      for (const address of all) this.put(address, partitions, areFree)
    else for (const [address, some] of ownersOf(partitions)) this.put(address, some, false)
  }

  private put(address: string, partitions: Iterable<number>, free: boolean): void {
    let box = this.boxes.get(address)
    if (box === undefined) {
      // Addresses of nodes that are gone.
      if (this.boxes.size >= ADDRESSES_MAX) this.boxes.clear()
      box = { partitions: new Set(), free: false, isSending: false, silentUntilMs: -Infinity }
      this.boxes.set(address, box)
    }
    if (this.options.clock.monotonicMs() < box.silentUntilMs) return
    for (const partition of partitions) {
      if (box.partitions.size < HINT_PARTITIONS_MAX) box.partitions.add(partition)
    }
    box.free ||= free
    if (!box.isSending) void this.empty(address, box)
  }

  private async empty(address: string, box: Box): Promise<void> {
    box.isSending = true
    while (box.partitions.size > 0 || box.free) {
      const letter: HintLetter = { partitions: [...box.partitions], free: box.free }
      box.partitions.clear()
      box.free = false
      if (await this.post(address, letter)) continue
      box.silentUntilMs = this.options.clock.monotonicMs() + SILENT_MS
      box.partitions.clear()
      box.free = false
    }
    box.isSending = false
  }

  private async post(address: string, letter: HintLetter): Promise<boolean> {
    const { deliver = deliverByHttp } = this.options
    try {
      return await deliver(new URL(HINT_PATH, address), JSON.stringify(letter))
    } catch {
      // Polling finds what this would have told.
      return false
    }
  }
}

async function deliverByHttp(url: URL, body: string): Promise<boolean> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  await response.body?.cancel()
  return response.ok
}
