/**
 * The stream client of MAGI. It knows the wire (frames, cursors, generations, refusals) and the fold
 * from events to a view; it knows no framework and draws nothing.
 *
 * Read first: {@link Door} and its two kinds, {@link Client} (a server's addresses) and
 * {@link Invocations} (AgentCore's one address), {@link Connection} (one deliberation, over as many
 * connections as it takes), {@link fold} (events to a {@link View}).
 */
export { bearer, contentSha256, open, type Authoriser, type Outgoing } from './authorise.ts'
export * from './client.ts'
export * from './connect.ts'
export * from './contract.ts'
export * from './cursor.ts'
export { doneOf, type Done, type Door, type Reading, type Verb } from './door.ts'
export { isLocal, type Env } from './env.ts'
export { type Held } from './flow.ts'
export * from './fold.ts'
export { IdentityPool, type IdentityOptions, type SigV4Options } from './identity.ts'
export { Invocations, SESSION_HEADER, type InvocationsOptions } from './invocations.ts'
export * from './presets.ts'
export { type Beat, type Probed } from './probe.ts'
export { Problem, retryAfter } from './problem.ts'
export { questionOf, randomHex, type Preset, type Question, type Scene } from './question.ts'
export { FrameTooLarge, SseDecoder, type Frame } from './sse.ts'
