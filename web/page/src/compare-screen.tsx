export default function CompareScreen(_: { left: string; right: string }) {
  return null
}
