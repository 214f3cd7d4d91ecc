// What the commands that only ask have in common: settings, a client on the database, and its orderly end.

import type { Client } from '../client/client.js'
import { createClient } from '../client/open-client.js'
import { Cleanup } from './cleanup.js'
import { readConfig, type Flags } from './config.js'
import { openDatabase } from './database.js'
import { createLog } from './log.js'

/** @throws CerebelumError SETTINGS | DATABASE_UNAVAILABLE | DATABASE_SCHEMA, or what the work throws */
export async function withClient(flags: Flags, work: (client: Client) => Promise<number>): Promise<number> {
  const config = readConfig(flags)
  const log = createLog(config.logLevel ?? 'warn')
  const cleanup = new Cleanup(log)
  try {
    const database = await openDatabase(config, log)
    cleanup.add('database', () => database.close())
    const { url } = database
    const client = await createClient({ database: { url, schema: config.schema, connections: 2 }, log })
    cleanup.add('client', () => client.close())
    return await work(client)
  } finally {
    await cleanup.run()
  }
}
