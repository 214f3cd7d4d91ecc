// The door `cerebelum/testing`: what users need to test their own workflows. Nothing here is loaded by the other doors.

export { createTestEngine, type TestEngine, type TestEngineOptions } from './testing/test-engine.js'
export { replayHistory, type RecordedEvent, type ReplayOptions } from './testing/replay-history.js'
