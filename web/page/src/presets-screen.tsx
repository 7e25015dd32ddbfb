export default function PresetsScreen(_: { preset: string | undefined }) {
  return null
}
