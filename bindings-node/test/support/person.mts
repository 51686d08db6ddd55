import type { AuthHost, AuthorizationRequest, StepUpRequest } from 'mcp-reauth';

/**
 * A host whose user agrees or declines as the test wants, and visits pages as a browser does, up to the callback. It
 * records the questions and pages.
 */
export class Person implements AuthHost {
  readonly redirectUri = 'http://127.0.0.1:9/oauth/callback';
  readonly questions: StepUpRequest[] = [];
  readonly pages: AuthorizationRequest[] = [];
  agrees = true;

  async confirmStepUp(request: StepUpRequest): Promise<boolean> {
    this.questions.push(request);
    return this.agrees;
  }

  async authorize(request: AuthorizationRequest): Promise<URL> {
    this.pages.push(request);
    return visit(request.url);
  }

  reset(): void {
    this.questions.length = 0;
    this.pages.length = 0;
  }
}

/** Visits a page whose server agrees to everything, and returns the callback it redirects to. */
export async function visit(url: string): Promise<URL> {
  const page = await fetch(url, { redirect: 'manual', headers: { 'user-agent': 'Mozilla/5.0' } });
  const location = page.headers.get('location');
  if (!location) throw new Error(`${page.status} instead of a redirect: ${await page.text()}`);
  return new URL(location);
}
