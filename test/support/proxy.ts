// A proxy before the database that does to chosen statements what networks and servers do: refuse them, answer them
// too late, execute them and lose the answer, cut the connection at any place. Nothing happens to statements that
// no fault was planned for. It listens on 127.0.0.1 and forwards to whatever the URL names, Unix sockets included.

import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CLIENT,
  errorResponse,
  type Frame,
  Frames,
  isTlsRequest,
  readyForQuery,
  SERVER,
  simpleQuery,
  type Statement,
  StatementTexts,
  stateOf,
} from './wire.js'

export type Fault =
  /** Answered with this SQLSTATE and not sent on: nothing happened. */
  | { readonly kind: 'refuse'; readonly code: string }
  /** The same, and the connection is ended, as a server does that shuts down. */
  | { readonly kind: 'expel'; readonly code: string }
  /** The connection is cut, and nothing was sent on. */
  | { readonly kind: 'cut-before' }
  /** The connection is cut after the first half of the request was sent on. */
  | { readonly kind: 'cut-within' }
  /** Executed by the server, and the connection is cut before the answer. */
  | { readonly kind: 'lose-answer' }
  /** Executed by the server, and the connection is cut within the answer. */
  | { readonly kind: 'cut-answer' }
  /** Executed by the server, whose answer never arrives: so is a client that stands still to its server. */
  | { readonly kind: 'keep-answer' }
  /** Never sent on, never answered, never cut. */
  | { readonly kind: 'stall' }
  | { readonly kind: 'delay'; readonly ms: number }

export interface Proxy {
  readonly url: string
  /** Asked for every statement that is about to be executed, and for the number of its connection. */
  plan: (text: string, connection: number) => Fault | undefined
  /** Told of every statement that is about to be executed. */
  onStatement: (statement: Statement) => void
  /** New connections: forwarded, or accepted and closed without a word. */
  door: 'open' | 'shut'
  /** SQLSTATEs that the server itself answered with, in the order of their arrival. */
  readonly states: readonly string[]
  /** Connections being forwarded. */
  readonly connections: number
  /** Cuts every connection. */
  cutAll(): void
  close(): Promise<void>
}

export async function startProxy(databaseUrl: string): Promise<Proxy> {
  const lines = new Set<Line>()
  const states: string[] = []
  let count = 0
  const target = targetOf(databaseUrl)
  const server = createServer((client) => {
    if (proxy.door === 'shut')
      return void client
        .on('error', () => undefined)
        .resume()
        .end()
    const id = count++
    const line = new Line({
      client,
      server: target(),
      plan: (statement) => {
        proxy.onStatement(statement)
        return proxy.plan(statement.text, id)
      },
      states,
    })
    lines.add(line)
    client.once('close', () => lines.delete(line))
  })
  const port = await listen(server)
  const url = new URL(databaseUrl)
  url.searchParams.delete('host')
  url.hostname = '127.0.0.1'
  url.port = String(port)
  const proxy: Proxy = {
    url: url.href,
    plan: () => undefined,
    onStatement: () => undefined,
    door: 'open',
    states,
    get connections() {
      return lines.size
    },
    cutAll() {
      for (const line of lines) line.cut()
    },
    async close() {
      proxy.cutAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}

function targetOf(databaseUrl: string): () => Socket {
  const url = new URL(databaseUrl)
  const folder = url.searchParams.get('host')
  const port = Number(url.port === '' ? '5432' : url.port)
  return folder?.startsWith('/') === true
    ? () => connect(`${folder}/.s.PGSQL.${port}`)
    : () => connect(port, url.hostname)
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return address.port
}

interface LineOptions {
  readonly client: Socket
  readonly server: Socket
  readonly plan: (statement: Statement) => Fault | undefined
  readonly states: string[]
}

/** One client's connection and its connection to the server. */
class Line {
  readonly #options: LineOptions
  readonly #client: Socket
  readonly #server: Socket
  readonly #texts = new StatementTexts()
  readonly #fromClient = new Frames({ isTyped: false })
  readonly #fromServer = new Frames({ isTyped: true })
  /** What happens to the frames of the request under way, until its Sync. */
  #fault: Fault | undefined
  #isCommit = false
  /** Sent to the client in place of the server's next answer. */
  #refusal: Buffer | undefined
  #work = Promise.resolve()

  constructor(options: LineOptions) {
    const { client, server } = options
    this.#options = options
    this.#client = client
    this.#server = server
    client.setNoDelay(true)
    client.on('data', (bytes) => {
      for (const frame of this.#fromClient.take(bytes)) this.#work = this.#work.then(() => this.#ask(frame))
    })
    server.on('data', (bytes) => {
      for (const frame of this.#fromServer.take(bytes)) this.#answer(frame)
    })
    // An error is followed by a close, and the close of one end closes the other.
    for (const socket of [client, server]) socket.on('error', () => undefined)
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
  }

  cut(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  async #ask(frame: Frame): Promise<void> {
    if (isTlsRequest(frame.bytes)) return void this.#client.write('N')
    const statement = this.#texts.executedBy(frame)
    if (statement !== undefined) {
      this.#fault = this.#options.plan(statement)
      this.#isCommit = statement.text === 'commit'
    }
    const fault = this.#fault
    const isEnd = frame.type === CLIENT.sync || frame.type === CLIENT.query
    switch (fault?.kind) {
      case 'refuse':
        if (isEnd) this.#refuse(fault.code, frame)
        return
      case 'expel':
        if (!isEnd) return
        this.#client.end(errorResponse({ code: fault.code, severity: 'FATAL' }))
        return
      case 'cut-before':
        return this.cut()
      case 'cut-within':
        this.#server.write(frame.bytes.subarray(0, frame.bytes.length / 2), () => this.cut())
        return
      case 'stall':
        return
      case 'delay':
        if (statement !== undefined) await sleep(fault.ms)
        break
      case 'lose-answer':
      case 'keep-answer':
      case 'cut-answer':
      case undefined:
        break
    }
    this.#server.write(frame.bytes)
  }

  /** The server is given the end of the request all the same, or the time of its transaction would stand still. */
  #refuse(code: string, frame: Frame): void {
    this.#fault = undefined
    this.#refusal = errorResponse({ code, severity: 'ERROR' })
    // A commit that is refused ends its transaction.
    if (this.#isCommit) this.#server.write(simpleQuery('rollback'))
    else this.#server.write(frame.type === CLIENT.sync ? frame.bytes : simpleQuery(''))
  }

  #answer(frame: Frame): void {
    if (this.#refusal !== undefined) {
      if (frame.type !== SERVER.ready) return
      // A transaction that a statement failed in takes no more statements; the server's own does not know of it.
      const status = frame.bytes.toString('utf8', 5, 6) === 'I' ? 'I' : 'E'
      this.#client.write(Buffer.concat([this.#refusal, readyForQuery(status)]))
      this.#refusal = undefined
      return
    }
    if (frame.type === SERVER.error) this.#options.states.push(stateOf(frame))
    const fault = this.#fault
    if (fault?.kind === 'keep-answer') return
    if (fault?.kind === 'lose-answer') {
      if (frame.type === SERVER.ready) this.cut()
      return
    }
    if (fault?.kind === 'cut-answer') {
      // All but the end: the client has seen that it was carried out, but not that it is over.
      if (frame.type !== SERVER.complete) return void this.#client.write(frame.bytes)
      this.#client.write(frame.bytes.subarray(0, 3), () => this.cut())
      return
    }
    if (frame.type === SERVER.ready) this.#fault = undefined
    this.#client.write(frame.bytes)
  }
}
