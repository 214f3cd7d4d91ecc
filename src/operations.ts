// The door for those who run an installation: archives of what was removed, and what so much work needs.

export { fileArchive } from './retention/file-archive.js'
export { openArchive, type Archive, type ArchivedExecution } from './retention/open-archive.js'
export { maxCapacity, planCapacity, type CapacityPlan, type Demand, type Measured } from './core/capacity.js'
export type { ArchiveSink } from './retention/archive-sink.js'
