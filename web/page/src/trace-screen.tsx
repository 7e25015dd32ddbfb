export default function TraceScreen(_: { room: unknown }) {
  return null
}
