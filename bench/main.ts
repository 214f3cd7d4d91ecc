// `npm run bench -- NAME`: one benchmark, ours and its reference side by side in one run.

import { Command } from 'commander'
import { registerAll } from './commands/all.js'
import { registerBesideRaw } from './commands/beside-raw.js'
import { registerCaches } from './commands/caches.js'
import { registerCluster } from './commands/cluster.js'
import { registerFailover } from './commands/failover.js'
import { registerFanOut } from './commands/fan-out.js'
import { registerLatency } from './commands/latency.js'
import { registerMicro } from './commands/micro.js'
import { registerPeers } from './commands/peers.js'
import { registerReplay } from './commands/replay.js'
import { registerRetention } from './commands/retention.js'
import { registerScale } from './commands/scale.js'
import { registerWaiting } from './commands/waiting.js'

const program = new Command('bench').description('Benchmarks of Cerebelum. Durability is never turned off.')

const REGISTER = [
  registerBesideRaw,
  registerLatency,
  registerReplay,
  registerFanOut,
  registerWaiting,
  registerScale,
  registerFailover,
  registerCluster,
  registerPeers,
  registerCaches,
  registerRetention,
  registerMicro,
  registerAll,
]
for (const register of REGISTER) register(program)

await program.parseAsync()
