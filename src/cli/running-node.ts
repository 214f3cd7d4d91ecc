// One engine node with its HTTP face, started and stopped as a whole. HTTP listens first, unready, so that a node whose
// port is taken claims nothing, and one that joins says where it is. Stopping drains: first HTTP says that it is unready
// and answers what it holds, then the engine lets steps in flight end and hands everything back.

import type { Client } from '../client/client.js'
import { errorCode } from '../core/errors.js'
import { delay, systemClock, type Logger } from '../core/ports.js'
import { mountDashboard } from '../dashboard/mount.js'
import { createEngine, type Engine } from '../engine/create-engine.js'
import { createHttpApp } from '../http/app.js'
import { serveHttp, type HttpServer } from '../http/serve.js'
import { fileArchive } from '../retention/file-archive.js'
import type { Workflow } from '../workflow/define.js'
import { DEFAULT_PORT, type Config } from './config.js'

export interface RunningNode {
  readonly client: Client
  readonly url: string
  /** Idempotent. */
  stop(): Promise<void>
}

export interface NodeSettings {
  readonly config: Config
  readonly databaseUrl: string
  readonly workflows: readonly Workflow[]
  readonly log: Logger
  /** When nobody asked for a port and the default one is taken, take the next free one. */
  readonly mayMovePort: boolean
}

/** @throws CerebelumError SETTINGS | DATABASE_UNAVAILABLE | DATABASE_SCHEMA */
export async function startNode(settings: NodeSettings): Promise<RunningNode> {
  const { config, databaseUrl, workflows, log } = settings
  const { schema, connections, region, retention, archiveDir } = config
  const engine = await createEngine({
    database: { url: databaseUrl, schema, connections },
    workflows,
    log,
    ...(region === undefined ? {} : { region }),
    ...(retention === undefined ? {} : { retention }),
    ...(archiveDir === undefined ? {} : { archive: fileArchive(archiveDir) }),
  })
  const draining = new AbortController()
  let http: HttpServer | undefined
  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    draining.abort()
    // As long as balancers still send requests here, they are answered: they look only every now and then.
    if (http !== undefined && config.drainDelayMs > 0) await delay(systemClock, config.drainDelayMs)
    await http?.close()
    await engine.stop()
  }
  try {
    const app = createHttpApp({
      client: engine.client,
      readiness: () => Promise.resolve(readinessOf(engine)),
      log,
      draining: draining.signal,
      ...(region === undefined ? {} : { region }),
      ...(config.corsOrigins === undefined ? {} : { corsOrigins: config.corsOrigins }),
      onHint: (hint) => engine.hinted(hint),
      metrics: () => engine.metrics(),
    })
    mountDashboard(app)
    http = await listen(app, settings)
    await engine.start({ address: http.url })
    return { client: engine.client, url: http.url, stop: () => (stopping ??= stop()) }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A trusted lease was renewed a moment ago: the database answers. */
function readinessOf(engine: Engine): { readonly ready: boolean; readonly reason?: string } {
  return engine.isReady ? { ready: true } : { ready: false, reason: 'the database does not answer in time' }
}

async function listen(
  app: Parameters<typeof serveHttp>[0],
  { config, mayMovePort }: NodeSettings,
): Promise<HttpServer> {
  const { host } = config
  if (config.port !== undefined || !mayMovePort) {
    return serveHttp(app, { host, port: config.port ?? DEFAULT_PORT })
  }
  for (let port = DEFAULT_PORT; port < DEFAULT_PORT + PORTS_TRIED; port += 1) {
    try {
      return await serveHttp(app, { host, port })
    } catch (error) {
      if (!isTaken(error)) throw error
    }
  }
  return serveHttp(app, { host, port: 0 })
}

const PORTS_TRIED = 20

function isTaken(error: unknown): boolean {
  const details = errorCode(error) === 'SETTINGS' ? Object(error).details : undefined
  return details?.reason === 'EADDRINUSE'
}
