// A relay in front of the database that counts what goes through it: statements (each is one Execute or Query message of
// PostgreSQL's protocol) and bytes. So it counts the same on PostgreSQL and CockroachDB, and to the tenth of a second.

import { connect, createServer, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'

export interface Reading {
  readonly statements: number
  readonly bytesSent: number
  readonly bytesReceived: number
}

export interface Meter {
  /** The database behind the relay. */
  readonly url: string
  read(): Reading
  /** The most statements that came within any tenth of a second since the last call. */
  takePeak(): number
  close(): Promise<void>
}

const SLOT_MS = 100

export async function openMeter(databaseUrl: string): Promise<Meter> {
  const target = new URL(databaseUrl)
  const total = { statements: 0, bytesSent: 0, bytesReceived: 0 }
  const sockets = new Set<Socket>()
  let slot = 0
  let inSlot = 0
  let peak = 0
  const count = (statements: number): void => {
    const now = Math.floor(performance.now() / SLOT_MS)
    if (now !== slot) inSlot = 0
    slot = now
    inSlot += statements
    peak = Math.max(peak, inSlot)
    total.statements += statements
  }
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connectTo(target)
    const counter = new StatementCounter()
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    client.on('data', (chunk: Buffer) => {
      total.bytesSent += chunk.length
      count(counter.take(chunk))
    })
    upstream.on('data', (chunk: Buffer) => (total.bytesReceived += chunk.length))
    client.pipe(upstream)
    upstream.pipe(client)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the relay has no port')
  const url = new URL(databaseUrl)
  url.searchParams.delete('host')
  url.hostname = '127.0.0.1'
  url.port = String(address.port)
  return {
    url: url.href,
    read: () => ({ ...total }),
    takePeak() {
      const most = peak
      peak = 0
      return most
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Over TCP, or the Unix socket that `?host=/folder` names. */
function connectTo(target: URL): Socket {
  const port = Number(target.port || '5432')
  const folder = target.searchParams.get('host')
  return folder?.startsWith('/') === true
    ? connect({ path: `${folder}/.s.PGSQL.${port}` })
    : connect({ host: target.hostname, port, noDelay: true })
}

const EXECUTE = 'E'.charCodeAt(0)
const QUERY = 'Q'.charCodeAt(0)

/** Walks the messages of one client: a type and a length each, but for the first, which has no type. */
class StatementCounter {
  #head = Buffer.alloc(0)
  #isFirst = true
  #toSkip = 0

  take(chunk: Buffer): number {
    let statements = 0
    let rest = chunk
    while (rest.length > 0) {
      if (this.#toSkip > 0) {
        const skipped = Math.min(this.#toSkip, rest.length)
        this.#toSkip -= skipped
        rest = rest.subarray(skipped)
        continue
      }
      const headLength = this.#isFirst ? 4 : 5
      const wanted = headLength - this.#head.length
      this.#head = Buffer.concat([this.#head, rest.subarray(0, wanted)])
      rest = rest.subarray(wanted)
      if (this.#head.length < headLength) return statements
      const type = this.#isFirst ? 0 : this.#head[0]
      if (type === EXECUTE || type === QUERY) statements++
      this.#toSkip = this.#head.readInt32BE(headLength - 4) - 4
      this.#head = Buffer.alloc(0)
      this.#isFirst = false
    }
    return statements
  }
}
