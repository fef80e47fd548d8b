// `translate` without translations, as in a site's default language.

export function translate({message}: {message: string}, values: Record<string, string | number> = {}): string {
  return message.replace(/\{(\w+)\}/g, (all, name: string) => String(values[name] ?? all));
}
