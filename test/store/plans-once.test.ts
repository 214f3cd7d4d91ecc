// What the connections of a store ask of the database when they are opened, read from the wire: no statement shows the
// settings of another session.

import { connect, createServer } from 'node:net'
import { expect, it } from 'vitest'
import { createTestDatabase, databaseUrl } from '../support/database.js'
import { startProxy } from '../support/proxy.js'

it('PostgreSQL is to plan our statements once, and not for the parameters of each call', async () => {
  const database = await createTestDatabase()
  // The proxy knows the way to the server; in front of it stands one that reads what is asked for.
  const proxy = await startProxy(databaseUrl())
  const asked: string[] = []
  const front = createServer((client) => {
    const server = connect(Number(new URL(proxy.url).port), '127.0.0.1')
    client.once('data', (first) => asked.push(first.toString('latin1')))
    client.pipe(server).pipe(client)
    for (const socket of [client, server]) socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  const address = front.address()
  const url = new URL(proxy.url)
  url.port = String(typeof address === 'object' ? address?.port : address)
  try {
    const store = await database.openStore({ url: url.href })
    await store.readExecutions([store.keyOf('nobody')])
    const ours = asked.filter((text) => text.includes('enable_seqscan'))
    // The first connection finds out which database it is.
    expect(ours.length).toBeGreaterThanOrEqual(2)
    expect(ours.slice(1).map((text) => text.includes('plan_cache_mode\0force_generic_plan'))).toEqual(
      ours.slice(1).map(() => store.dialect === 'postgres'),
    )
  } finally {
    await database.drop()
    await new Promise((resolve) => front.close(resolve))
    await proxy.close()
  }
})
