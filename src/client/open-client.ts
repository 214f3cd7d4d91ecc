// A client for processes that host no workflows.

import { resolveLimits, type Limits } from '../core/limits.js'
import { silentLogger, systemClock, type Logger } from '../core/ports.js'
import { openStore } from '../store/open.js'
import type { OpenStoreOptions } from '../store/store.js'
import type { Client } from './client.js'
import { StoreClient } from './create-client.js'

/**
 * Connects a client straight to the database; no node, no workflows.
 * @throws CerebelumError DATABASE_UNAVAILABLE | DATABASE_SCHEMA
 *
 * @example
 * const client = await createClient({ database: process.env.DATABASE_URL })
 * await client.signal('order-7', 'approved', { by: 'ada' })
 * await client.close()
 */
export async function createClient(options: {
  readonly database: string | OpenStoreOptions
  readonly limits?: Partial<Limits>
  readonly log?: Logger
}): Promise<Client> {
  const limits = resolveLimits(options.limits)
  const store = await openStore(options.database)
  return new StoreClient({
    store,
    limits,
    clock: systemClock,
    log: options.log ?? silentLogger,
    onClose: () => store.close(),
  })
}
