import axe from "axe-core";
import type { BrowserPage } from "./chromium.ts";

/** Colours on their way from one to another are nobody's contrast: what ends by itself ends now. */
const settle = `
  for (const animation of document.getAnimations())
    if (Number.isFinite(animation.effect?.getComputedTiming().endTime)) animation.finish();
`;

/** What axe-core finds wrong with a page as it is now: a rule and where it is broken, one each. Empty: nothing. */
export async function violations({ page }: BrowserPage): Promise<string[]> {
  await page.evaluate(`${axe.source}; undefined`);
  await page.evaluate(settle);
  const found = await page.evaluate<readonly { id: string; help: string; nodes: readonly { html: string }[] }[]>(
    "axe.run().then(({ violations }) => violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html }) => ({ html })) })))",
  );
  return found.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`));
}
