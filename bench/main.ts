// `npm run bench -- NAME`: one benchmark, ours and its reference side by side in one run.

import { Command } from 'commander'
import { registerBesideRaw } from './commands/beside-raw.js'
import { registerCaches } from './commands/caches.js'
import { registerCluster } from './commands/cluster.js'
import { registerFailover } from './commands/failover.js'
import { registerPeers } from './commands/peers.js'

const program = new Command('bench').description('Benchmarks of Cerebelum. Durability is never turned off.')

for (const register of [registerBesideRaw, registerFailover, registerCluster, registerPeers, registerCaches])
  register(program)

await program.parseAsync()
