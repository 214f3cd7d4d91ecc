// Hints between processes: "doorbells ring in these partitions" and "partitions are free", by NOTIFY, one per burst of
// statements. Best effort: nothing depends on them, polling finds everything a little later. CockroachDB has no NOTIFY;
// there, and behind a pooler that swallows it, a node carries them to the others itself, or nobody hears.

import type postgres from 'postgres'
import { Loop } from '../core/loop.js'
import { silentLogger, type Clock } from '../core/ports.js'
import type { HintListener } from './store.js'

export interface HintsOptions {
  readonly sql: postgres.Sql
  /** Of this installation: other schemas of the same database are none of ours. */
  readonly channel: string
  readonly clock: Clock
  /** A client of one connection of its own, for listening; null: this database has no hints. */
  readonly openListener: ((onNotify: (payload: string) => void) => postgres.Sql) | null
}

/** In a payload among the numbers; a node of another release that does not know it takes it for no partition. */
const FREE = 'free'

/** A lost connection is opened again by the next of these: until then polling does. */
const LISTEN_MS = 10_000
const AFTER_ERROR_MS = 1_000
const CLOSE_SECONDS = 1
/** A payload of NOTIFY may have 8,000 bytes; more partitions than this are as good as all. */
const PARTITIONS_MAX = 1_000

export class Hints {
  readonly #options: HintsOptions
  #rung = new Set<number>()
  #areFree = false
  #isSending = false
  #carrier: HintListener | null = null

  constructor(options: HintsOptions) {
    this.#options = options
  }

  /** Whether anybody can hear. */
  get isHeard(): boolean {
    return this.#options.openListener !== null
  }

  /** Who tells the others when the database does not. */
  carry(carrier: HintListener): void {
    this.#carrier = carrier
  }

  /** Tells all who listen; returns at once. What rings while a hint is on its way goes with the next. */
  ring(partitions: Iterable<number>): void {
    if (!this.#isTold) return
    for (const partition of partitions) if (this.#rung.size < PARTITIONS_MAX) this.#rung.add(partition)
    this.#sendSoon()
  }

  /** Tells all that partitions were given up. */
  tellFree(): void {
    if (!this.#isTold) return
    this.#areFree = true
    this.#sendSoon()
  }

  get #isTold(): boolean {
    return this.isHeard || this.#carrier !== null
  }

  #sendSoon(): void {
    if (this.#isSending || (this.#rung.size === 0 && !this.#areFree)) return
    this.#isSending = true
    setImmediate(() => void this.#send())
  }

  async #send(): Promise<void> {
    while (this.#rung.size > 0 || this.#areFree) {
      const [rung, areFree] = [this.#rung, this.#areFree]
      const payload = [...(this.#areFree ? [FREE] : []), ...this.#rung].join(' ')
      this.#rung = new Set()
      this.#areFree = false
      if (!this.isHeard) {
        this.#carrier?.(rung, areFree)
        continue
      }
      const { sql, channel } = this.#options
      try {
        await sql`select pg_notify(${channel}::text, ${payload}::text)`
      } catch {
        // Polling finds what this would have told.
        this.#rung.clear()
      }
    }
    this.#isSending = false
  }

  /** Calls back with every hint until the returned function is called. */
  listen(listener: HintListener): () => Promise<void> {
    const { openListener, channel, clock } = this.#options
    if (openListener === null) return () => Promise.resolve()
    const client = openListener((payload) => {
      const words = payload.split(' ')
      listener(new Set(words.filter((word) => word !== FREE).map(Number)), words.includes(FREE))
    })
    const loop = new Loop({
      name: 'hints',
      clock,
      log: silentLogger,
      async turn() {
        await client`listen ${client(channel)}`
        return LISTEN_MS
      },
      afterErrorMs: AFTER_ERROR_MS,
    })
    loop.start()
    return async () => {
      await client.end({ timeout: CLOSE_SECONDS })
      await loop.stop()
    }
  }
}
