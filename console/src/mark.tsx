// The product's mark.
export const Mark = () => (
  <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true" class="mark">
    <path d="M3 13.5 29 9" stroke="currentColor" stroke-width="3" stroke-linecap="round" />
    <path d="M16 13 23 25H9z" class="mark-foot" />
  </svg>
);
